"""Which nodes run in the graph's own replicas, without a hop, and which need their own."""

from __future__ import annotations

from dataclasses import replace

from umbel.graph.implementations import Implementation, ModelPool
from umbel.graph.ir import Graph, Node
from umbel.graph.options import NodeOptions
from umbel.graph.placement import Placement
from umbel.graph.plan import Deployment, Plan


def reason_apart(options: NodeOptions, code: Implementation | None = None) -> str:
    """Why a node cannot share the graph's replicas, or an empty string."""
    resources = options.resources
    if options.fuse == "always":
        return ""
    if isinstance(code, ModelPool):
        return "a pool of models: calls for one model go to the replica that has it"
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
    if options.placement.asked:
        return in_words(options.placement)
    return ""


def in_words(placement: Placement) -> str:
    """What a placement asks for, as a user reads it."""
    told = []
    if placement.pool:
        told.append(f"runs in pool {placement.pool_name!r}")
    if placement.labels:
        wanted = ", ".join(f"{key}={value}" for key, value in placement.labels.items())
        told.append(f"runs where {wanted}")
    if placement.per_machine:
        told.append(f"at most {placement.per_machine} replicas on one machine")
    if placement.together:
        told.append(f"goes together as {placement.together!r}")
    if placement.apart:
        told.append(f"stays apart as {placement.apart!r}")
    return ", ".join(told)


def fuse(plan: Plan) -> Plan:
    """The plan with a deployment for every node that must live apart; all others are fused."""
    deployments: list[Deployment] = list(plan.deployments)
    for graph in plan.program:
        for node in graph.nodes.values():
            reason = reason_apart(node.options, node.code)
            if reason:
                deployments.append(_own(graph, node))
                words = f"has its own deployment: {reason}"
            elif node.options.fuse == "always":
                words = 'runs inside the graph\'s replicas: fuse="always"'
                if node.options.resources.asked:
                    words += "; they reserve what it asks for"
            else:
                words = "runs inside the graph's replicas: it asks for nothing of its own"
            plan = plan.because("fuse", f"{graph.name}.{node.name}", words)
    return replace(plan, deployments=tuple(deployments))


def _own(graph: Graph, node: Node) -> Deployment:
    return Deployment(
        name=f"{graph.name}--{node.name}".replace("/", "--"),
        graph=graph.name,
        nodes=(node.name,),
        resources=node.options.resources,
        options=node.options,
        routed_by="model" if isinstance(node.code, ModelPool) else "",
    )
