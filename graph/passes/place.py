"""Nodes apart that could share a replica do: equal resources, equal environment, same graph."""

from __future__ import annotations

import json
from dataclasses import replace

from umbel.graph.canonical import as_data
from umbel.graph.options import NodeOptions
from umbel.graph.plan import Deployment, Plan


def place(plan: Plan) -> Plan:
    """The plan with such deployments joined. What they reserve is reserved once."""
    placed: dict[str, Deployment] = {}
    for deployment in plan.deployments:
        key = f"{deployment.graph} {group_of(deployment.options) or deployment.name}"
        known = placed.get(key)
        if known is None:
            placed[key] = deployment
            continue
        placed[key] = replace(known, nodes=(*known.nodes, *deployment.nodes))
        subject = f"{deployment.graph}.{deployment.nodes[0]}"
        plan = plan.because(
            "place", subject, f"shares the deployment of {known.nodes[0]!r}: equal resources"
        )
    return replace(plan, deployments=tuple(placed.values()))


def group_of(options: NodeOptions) -> str:
    """Equal for nodes that may share a replica; empty for one that must be alone."""
    if options.fuse == "never" or options.scale or options.batch or options.max_concurrency:
        return ""
    return json.dumps([as_data(options.resources), as_data(options.env or {})], sort_keys=True)
