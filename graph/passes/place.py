"""Which nodes run in the graph's own replicas and which get a deployment of their own."""

from __future__ import annotations

import json
from dataclasses import replace

from umbel.graph.canonical import as_data
from umbel.graph.ir import Graph, Node
from umbel.graph.options import NodeOptions, Scale
from umbel.graph.plan import Deployment, Plan


def reason_apart(options: NodeOptions) -> str:
    """Why a node cannot share the graph's replicas, or an empty string."""
    resources = options.resources
    if options.fuse == "always":
        return ""
    if options.fuse == "never":
        return 'fuse="never"'
    if resources.gpus:
        return f"asks for {resources.gpus:g} GPU"
    if resources.accelerator:
        return f"asks for accelerator {resources.accelerator}"
    if resources.custom:
        return f"asks for {', '.join(resources.custom)}"
    if resources.cpus:
        return f"asks for {resources.cpus:g} CPU of its own"
    if resources.memory:
        return f"asks for {resources.memory:,} bytes of memory of its own"
    if options.scale:
        return f"scales on its own ({options.scale.min} to {options.scale.ceiling} replicas)"
    if options.env:
        return "has an environment of its own"
    return ""


def place(plan: Plan) -> Plan:
    """The plan with a deployment for every node that must live apart. Nodes of one graph with
    equal resources and environment, and no scaling or batching of their own, share one."""
    deployments: list[Deployment] = list(plan.deployments)
    for graph in plan.program:
        groups: dict[str, Deployment] = {}
        for node in graph.nodes.values():
            subject = f"{graph.name}.{node.name}"
            reason = reason_apart(node.options)
            if not reason:
                words = "runs inside the graph's replicas: it asks for nothing of its own"
                plan = plan.because("place", subject, words)
                continue
            key = _group(node)
            known = groups.get(key) if key else None
            if known is not None:
                groups[key] = replace(known, nodes=(*known.nodes, node.name))
                words = f"shares the deployment of {known.nodes[0]!r}: equal resources"
            else:
                groups[key or node.name] = _own(graph, node)
                words = f"has its own deployment: {reason}"
            plan = plan.because("place", subject, words)
        deployments += groups.values()
    return replace(plan, deployments=tuple(deployments))


def _group(node: Node) -> str:
    """Equal for nodes that may share a replica; empty for one that must be alone."""
    options = node.options
    if options.fuse == "never" or options.scale or options.batch or options.max_concurrency:
        return ""
    return json.dumps([as_data(options.resources), as_data(options.env or {})], sort_keys=True)


def _own(graph: Graph, node: Node) -> Deployment:
    return Deployment(
        name=f"{graph.name}--{node.name}".replace("/", "--"),
        graph=graph.name,
        nodes=(node.name,),
        resources=node.options.resources,
        scale=node.options.scale or Scale(),
        options=node.options,
    )
