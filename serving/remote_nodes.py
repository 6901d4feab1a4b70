"""The nodes of a plan that run in deployments of their own, as a graph's replica calls them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from umbel.graph.implementations import ModelPool
from umbel.graph.plan import Plan
from umbel.nodes.loaded import Handle
from umbel.serving.ray_pools import RemotePool
from umbel.serving.remote_node import RemoteNode


def remote_nodes(plan: Plan, deployments: Mapping[str, Any]) -> dict[tuple[str, str], Handle]:
    """(graph, node) → how to call what runs in a deployment of its own."""
    found: dict[tuple[str, str], Handle] = {}
    mixed = has_environments(plan)
    for deployment in plan.deployments:
        for node in deployment.nodes:
            handle = deployments[deployment.name]
            code = plan.program.graphs[deployment.graph].nodes[node].code
            if isinstance(code, ModelPool):
                found[deployment.graph, node] = RemotePool(node, handle)
            else:
                found[deployment.graph, node] = RemoteNode(node, handle, mixed)
    return found


def has_environments(plan: Plan) -> bool:
    """Whether replicas of the plan run in different environments, with libraries of different
    versions."""
    return any(deployment.options.env for deployment in plan.deployments)
