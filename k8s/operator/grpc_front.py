"""gRPC with target ``ray``: one application for the whole cluster, on its head.

A shared cluster has many applications with paths, and Ray's own gRPC would want each caller to
name one. So there umbel's front takes the calls, and finds the application by the model's name.
The operator deploys it like any other of its applications, and only where it was asked to.
"""

from __future__ import annotations

from typing import Any

from umbel.graph.findings import Finding, Place
from umbel.k8s.manifests.grpc_access import SERVICE_PORT, asking_for, grpc_name
from umbel.k8s.operator.compiling import BUILDER
from umbel.k8s.operator.revisions import digest_of
from umbel.k8s.operator.settings import OperatorSettings
from umbel.k8s.operator.world import Key, Raw

CODE = "UMB-K710"
KIND = "GrpcFront"
"""In place of a resource's kind: the front belongs to the operator."""


def key_of(settings: OperatorSettings) -> Key:
    """Whose the front is: that of an operator for these namespaces."""
    return Key(KIND, ",".join(sorted(settings.namespaces)), "grpc")


def grpc_front(settings: OperatorSettings) -> dict[str, Any] | None:
    """The application, with no path of its own; None where gRPC was not asked for."""
    if settings.target != "ray" or settings.grpc_port is None:
        return None
    asked = {"host": settings.serve_host, "port": settings.grpc_port}
    owner = {"operator": settings.name, "resource": list(key_of(settings)), "role": "grpc"}
    args = {"owner": owner, "grpc": asked}
    return {
        "name": f"{settings.name}.grpc.{digest_of(args)}",
        "route_prefix": None,
        "import_path": BUILDER,
        "args": args,
    }


def grpc_url(settings: OperatorSettings, key: Key) -> str:
    """Where gRPC clients reach a resource; empty where they do not."""
    if settings.target == "kuberay":
        host = settings.url_host.format(name=grpc_name(key.name), namespace=key.namespace)
        return f"grpc://{host}:{SERVICE_PORT}"
    if settings.grpc_port is None:
        return ""
    return f"grpc://{settings.serve_name}:{settings.grpc_port}"


def no_front(settings: OperatorSettings, raw: Raw) -> list[Finding]:
    """A warning for a model that asks for gRPC where the operator has none."""
    asking = () if settings.grpc_port is not None else asking_for(raw.get("spec"), "grpc-v2")
    return [
        Finding(
            "warning",
            CODE,
            f"spec.predictor.{name}.protocolVersion: there is no gRPC on this Ray cluster",
            Place(),
            "start the operator with --grpc-port, or use the target kuberay",
        )
        for name in asking
    ]
