"""KubeRay's CRDs: RayService with its schema, RayCluster with its template's."""

from __future__ import annotations

from typing import Any

from kube_installation import for_server, ray_service_crd
from real_kube import RealKube


def ray_cluster_crd() -> dict[str, Any]:
    """An open one: what it holds was checked as a part of its RayService."""
    anything = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
    version = {
        "name": "v1",
        "served": True,
        "storage": True,
        "schema": {
            "openAPIV3Schema": {
                "type": "object",
                "properties": {"spec": anything, "status": anything},
            }
        },
        "subresources": {"status": {}},
    }
    names = {"kind": "RayCluster", "plural": "rayclusters", "singular": "raycluster"}
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": "rayclusters.ray.io"},
        "spec": {"group": "ray.io", "names": names, "scope": "Namespaced", "versions": [version]},
    }


def install_ray_crds(kube: RealKube) -> None:
    made = [for_server(kube, ray_service_crd()), ray_cluster_crd()]
    kube.kubectl("create", "-f", "-", stdin=made)
