"""What KubeRay puts beside a RayCluster's pods: Services (``common/service.go``), the
autoscaler's account and rights (``common/rbac.go``), the token's Secret."""

from __future__ import annotations

import base64
import copy
import secrets
from typing import Any

from kuberay_pods import head_service_name, owner_of
from object_api import KubeApi

Raw = dict[str, Any]

DEFAULT_PORTS = {
    "client": 10001, "gcs-server": 6379, "dashboard": 8265, "metrics": 8080, "serve": 8000,
}  # fmt: skip


def service_ports(cluster: Raw) -> dict[str, int]:
    """The head container's named ports, and KubeRay's defaults for names that it lacks."""
    container = cluster["spec"]["headGroupSpec"]["template"]["spec"]["containers"][0]
    ports = {one["name"]: one["containerPort"] for one in container.get("ports") or ()}
    for name, port in DEFAULT_PORTS.items():
        if port not in ports.values():
            ports.setdefault(name, port)
    return ports


def head_service(cluster: Raw, name: str, owner: Raw) -> Raw:
    """Headless, and known before the head is ready."""
    meta = cluster["metadata"]
    selector = {"ray.io/cluster": meta["name"], "ray.io/node-type": "head"}
    ports = sorted(service_ports(cluster).items())
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {
            "name": name,
            "namespace": meta["namespace"],
            "labels": selector,
            "ownerReferences": [owner_of(owner)],
        },
        "spec": {
            "clusterIP": "None",
            "publishNotReadyAddresses": True,
            "selector": selector,
            "ports": [{"name": n, "port": p, "appProtocol": "tcp"} for n, p in ports],
        },
    }


def serve_service(service: Raw, cluster: Raw) -> Raw:
    """The Service that leads to the cluster which serves. Of ``spec.serveService`` it takes the
    name, labels, annotations and type. Its port is the one that the head container calls
    ``serve``: a port of the Service's own, and any ``targetPort``, is dropped."""
    given = copy.deepcopy(service["spec"].get("serveService") or {})
    meta, spec = given.get("metadata") or {}, given.get("spec") or {}
    name = service["metadata"]["name"]
    labels = {
        "ray.io/originated-from-cr-name": name,
        "ray.io/originated-from-crd": "RayService",
        "ray.io/serve": f"{name}-serve",
    }
    container = cluster["spec"]["headGroupSpec"]["template"]["spec"]["containers"][0]
    in_head = {p["name"] for p in container.get("ports") or ()}
    port = service_ports(cluster)["serve"]
    if "serve" not in in_head:
        own = [p["port"] for p in spec.get("ports") or () if p.get("name") == "serve"]
        port = own[0] if own else port
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {
            "name": meta.get("name") or f"{name}-serve-svc",
            "namespace": service["metadata"]["namespace"],
            "labels": {**(meta.get("labels") or {}), **labels},
            "annotations": meta.get("annotations") or {},
            "ownerReferences": [owner_of(service)],
        },
        "spec": {
            **spec,
            "type": spec.get("type")
            or cluster["spec"]["headGroupSpec"].get("serviceType")
            or "ClusterIP",
            "selector": {"ray.io/cluster": cluster["metadata"]["name"], "ray.io/serve": "true"},
            "ports": [{"name": "serve", "port": port}],
        },
    }


def point_to(api: KubeApi, made: Raw) -> None:
    """Create the Service, or change it where another cluster is to be selected."""
    meta = made["metadata"]
    there = api.ensure("services", made)
    if there["spec"]["selector"]["ray.io/cluster"] != made["spec"]["selector"]["ray.io/cluster"]:
        address = there["spec"]["clusterIP"]
        there["spec"] = {**made["spec"], "clusterIP": address}
        api.replace("services", there)
        print(f"Service {meta['name']}: {made['spec']['selector']}", flush=True)


def beside(api: KubeApi, cluster: Raw) -> None:
    """Head Service, token, and the autoscaler's account, Role and RoleBinding."""
    name, namespace = cluster["metadata"]["name"], cluster["metadata"]["namespace"]
    api.ensure("services", head_service(cluster, head_service_name(name), cluster))
    meta = {
        "name": name,
        "namespace": namespace,
        "labels": {"ray.io/cluster": name},
        "ownerReferences": [owner_of(cluster)],
    }
    if (cluster["spec"].get("authOptions") or {}).get("mode") == "token":
        token = base64.b64encode(secrets.token_urlsafe(32).encode()).decode()
        made = {"apiVersion": "v1", "kind": "Secret", "metadata": meta}
        api.ensure("secrets", {**made, "data": {"auth_token": token}})
    if not cluster["spec"].get("enableInTreeAutoscaling"):
        return
    api.ensure("serviceaccounts", {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": meta})
    group = "rbac.authorization.k8s.io"
    rules = [
        {"apiGroups": [""], "resources": ["pods"], "verbs": ["get", "list", "watch", "patch"]},
        {"apiGroups": ["ray.io"], "resources": ["rayclusters"], "verbs": ["get", "patch"]},
    ]
    role = {"apiVersion": f"{group}/v1", "kind": "Role", "metadata": meta, "rules": rules}
    api.ensure("roles", role)
    binding = {
        "apiVersion": f"{group}/v1",
        "kind": "RoleBinding",
        "metadata": meta,
        "subjects": [{"kind": "ServiceAccount", "name": name, "namespace": namespace}],
        "roleRef": {"apiGroup": group, "kind": "Role", "name": name},
    }
    api.ensure("rolebindings", binding)


def token_of(api: KubeApi, cluster: Raw) -> str:
    """The cluster's token, empty where it has none."""
    meta = cluster["metadata"]
    found = api.get("secrets", meta["namespace"], meta["name"])
    return base64.b64decode(found["data"]["auth_token"]).decode() if found else ""
