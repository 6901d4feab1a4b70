"""The application builder of the operator: what it deploys says whose it is.

``args`` hold ``owner``, which is for the operator alone (it looks for its own applications by
it), and either ``application``, the ``args`` of `declared_application`, ``grpc``, those of
`cluster_grpc`, or ``front``.
"""

from __future__ import annotations

import importlib.metadata
from typing import Any

from ray import serve

from umbel.graph.errors import DeclarationError
from umbel.serving import declared_application
from umbel.serving.ray_applications import IN_FLIGHT, INGRESS
from umbel.serving.traffic_front import FrontReplica


def build(args: dict[str, Any]) -> Any:
    """The application. ``front``: ``shares`` (application → percent), ``body_limit`` in bytes,
    ``path`` the front answers below, and ``target`` path of its applications.
    Raises ``DeclarationError`` where ``args`` are not what this release understands."""
    if "application" in args:
        return declared_application.build(args["application"])
    if "grpc" in args:
        from umbel.serving import cluster_grpc

        return cluster_grpc.build(args["grpc"])
    front = args.get("front")
    if not isinstance(front, dict) or sum(front.get("shares", {}).values()) != 100:
        raise DeclarationError(
            "args must hold 'application', 'grpc', or a 'front' whose shares sum to 100"
        )
    deployment = serve.deployment(
        name=INGRESS,
        num_replicas=1,
        max_ongoing_requests=IN_FLIGHT,
        health_check_period_s=5,
        ray_actor_options={"num_cpus": 0.1},
        graceful_shutdown_timeout_s=20,
    )(serve.ingress()(FrontReplica))
    moved = (front["path"], front["target"])
    version = importlib.metadata.version("umbel")
    return deployment.bind(front["shares"], int(front["body_limit"]), moved, version)
