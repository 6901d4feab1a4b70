"""How gRPC reaches a resource: a Service of its own, as gateways need it.

Ray Serve leads gRPC on every node to the replicas that HTTP goes to. The Service ``NAME`` is
KubeRay's, which gives it this port, too, from 1.7 on, but says nowhere that it is HTTP/2: a
gateway would speak HTTP/1.1 to it. ``NAME-grpc`` has the pods that KubeRay marks as serving, and
KServe's name for such a port.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from umbel.k8s.manifests.pods import GRPC_PORT
from umbel.k8s.manifests.ray_services import metadata
from umbel.k8s.manifests.workloads import Object, Workload, short_name

SERVICE_PORT = 80
"""As KServe's Services have it, whatever the container's port."""

CALLS = "/inference.GRPCInferenceService"
"""The beginning of the path of every call."""

SERVING = {"ray.io/serve": "true"}
"""KubeRay's label of pods that Serve answers on."""

WORKER = {"ray.io/node-type": "worker"}
"""Where workers always run, the head is left out: that of a new cluster has the label above
before it has the graph, while a worker is ready only once there is a replica."""


def asking_for(spec: Any, version: str) -> list[str]:
    """The model blocks of a predictor that ask for this ``protocolVersion``."""
    predictor = spec.get("predictor") if isinstance(spec, Mapping) else None
    return [
        name
        for name, block in (predictor.items() if isinstance(predictor, Mapping) else ())
        if isinstance(block, Mapping) and block.get("protocolVersion") == version
    ]


def grpc_name(name: str) -> str:
    """The name of a resource's Service for gRPC."""
    return f"{short_name(name)}-grpc"


def grpc_service(workload: Workload, selector: dict[str, str]) -> Object:
    """The Service; ``selector`` has every pod of the resource."""
    name = grpc_name(workload.name)
    always = all(group.replicas.min > 0 for group in workload.groups())
    pods = {**selector, **SERVING, **(WORKER if always else {})}
    port = {
        "name": "h2c",
        "port": SERVICE_PORT,
        "targetPort": GRPC_PORT,
        "protocol": "TCP",
        "appProtocol": "kubernetes.io/h2c",
    }
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": metadata(workload, name),
        "spec": {"type": "ClusterIP", "selector": pods, "ports": [port]},
    }
