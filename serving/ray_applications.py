"""A plan as Ray Serve applications: one for each served graph."""

from __future__ import annotations

from typing import Any

from ray import serve

from umbel.graph import reservations, serve_placement, serve_scaling
from umbel.graph.options import Scale
from umbel.graph.plan import Deployment, Plan
from umbel.graph.steps import GraphName
from umbel.serving import ray_pools, shipping
from umbel.serving.explaining import explained_by
from umbel.serving.ray_replicas import GraphReplica, NodeReplica, part_of

IN_FLIGHT = 1000
"""Requests that one replica may have in flight. Ray's default of 5 is made for models that
occupy a replica; here the engine itself bounds what a node does at once."""

INGRESS = "graph"
"""The deployment of every application that takes its requests."""


def application(
    plan: Plan,
    name: GraphName,
    *,
    version: str,
    body_limit: int,
    replicas: int,
    mounted: str = "",
) -> Any:
    """The Ray Serve application that serves the graph ``name``, below the path
    ``mounted`` where that is not ``/NAME``."""
    part = ray_pools.scaled(part_of(plan, name), replicas)
    payload = shipping.pack(part)
    apart: dict[str, Any] = {}
    for deployment, explains in explainers_last(part):
        others = dict(apart) if explains else {}
        own = reservations.of_deployment(part, deployment)
        reserved = serve_placement.deployment_options(own, deployment.options.env)
        apart[deployment.name] = _node_deployment(deployment, reserved, payload, others)
    scale = part.program.graphs[name].settings.get("scale")
    graph = serve.deployment(
        name=INGRESS,
        **(
            serve_scaling.replicas(scale)
            if isinstance(scale, Scale)
            else {"num_replicas": replicas}
        ),
        max_ongoing_requests=IN_FLIGHT,
        max_constructor_retry_count=1,
        health_check_period_s=5,
        **serve_placement.deployment_options(reservations.of_graph(part, name)),
        graceful_shutdown_timeout_s=20,
    )(serve.ingress()(GraphReplica))
    return graph.bind(payload, version, body_limit, apart, mounted)


def explainers_last(plan: Plan) -> list[tuple[Deployment, bool]]:
    """The deployments, and whether they hold an explainer. Those that do come last: they get
    handles of the others, which they may call."""
    pairs = [
        (one, any(explained_by(plan, one.graph, node) is not None for node in one.nodes))
        for one in plan.deployments
    ]
    return sorted(pairs, key=lambda pair: pair[1])


def _node_deployment(
    deployment: Deployment, reserved: dict[str, Any], payload: bytes, others: dict[str, Any]
) -> Any:
    return serve.deployment(
        name=deployment.name,
        max_ongoing_requests=deployment.options.max_concurrency or in_flight(deployment),
        max_constructor_retry_count=1,
        **reserved,
        **serve_scaling.replicas(deployment.scale),
        **ray_pools.routing(deployment),
    )(NodeReplica).bind(payload, deployment.graph, deployment.nodes, others)


def in_flight(deployment: Deployment) -> int:
    """Requests that a replica of nodes may have in flight."""
    return ray_pools.IN_FLIGHT if deployment.routed_by else IN_FLIGHT
