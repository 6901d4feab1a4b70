"""Which nodes apart share a replica: those told to, and those with equal needs and no GPU."""

from __future__ import annotations

import json
from dataclasses import replace

from umbel.graph.canonical import as_data
from umbel.graph.options import NodeOptions, Resources
from umbel.graph.passes.fuse import in_words
from umbel.graph.plan import Deployment, Plan
from umbel.graph.reservations import of_deployment


def place(plan: Plan) -> Plan:
    """The plan with such deployments joined, each reserving the sum of what its nodes ask for,
    and with where each runs."""
    placed: dict[str, Deployment] = {}
    for deployment in plan.deployments:
        alone = deployment.routed_by or not group_of(deployment.options)
        key = f"{deployment.graph} {deployment.name if alone else group_of(deployment.options)}"
        known = placed.get(key)
        placed[key] = deployment if known is None else _joined(known, deployment)
        if known is not None:
            subject = f"{deployment.graph}.{deployment.nodes[0]}"
            together = deployment.options.placement.together
            why = f"both go together as {together!r}" if together else "equal needs"
            words = f"shares the deployment of {known.nodes[0]!r}: {why}"
            plan = plan.because("place", subject, words)
    plan = replace(plan, deployments=tuple(placed.values()))
    for deployment in plan.deployments:
        plan = plan.because("place", deployment.name, told(plan, deployment))
    return plan


def group_of(options: NodeOptions) -> str:
    """Equal for nodes that share a replica; empty for one that is alone.

    Nodes with GPUs are joined only on request: one that asks for a whole GPU has it to itself,
    and Ray puts fractions of several replicas on one GPU."""
    if options.placement.together:
        return f"together {options.placement.together}"
    alone = options.fuse == "never" or options.scale or options.batch or options.max_concurrency
    if alone or options.resources.gpus or options.placement.apart:
        return ""
    asked = (options.resources, options.placement, options.env or {})
    return json.dumps([as_data(one) for one in asked], sort_keys=True)


def _joined(one: Deployment, other: Deployment) -> Deployment:
    limits = (one.options.max_concurrency, other.options.max_concurrency)
    options = replace(
        one.options,
        scale=one.options.scale or other.options.scale,
        env=one.options.env or other.options.env,
        max_concurrency=max((limit for limit in limits if limit), default=None),
        placement=replace(
            one.options.placement,
            pool=one.options.placement.pool or other.options.placement.pool,
            labels={**one.options.placement.labels, **other.options.placement.labels},
            per_machine=one.options.placement.per_machine or other.options.placement.per_machine,
            apart=one.options.placement.apart or other.options.placement.apart,
        ),
    )
    return replace(
        one,
        nodes=(*one.nodes, *other.nodes),
        resources=one.resources + other.resources,
        options=options,
    )


def told(plan: Plan, deployment: Deployment) -> str:
    """What a replica reserves and where it may run, in words."""
    held = of_deployment(plan, deployment)
    words = f"a replica reserves {amounts_in_words(held.resources)}"
    where = in_words(replace(held.placement, together=""))
    return f"{words}; {where}" if where else words


def amounts_in_words(resources: Resources) -> str:
    """``1 GPU, 2 CPU``; a node that asked for nothing takes a tenth of a CPU in Ray's books."""
    told = []
    if resources.gpus:
        told.append(f"{resources.gpus:g} GPU")
        if 0 < resources.gpus < 1:
            told[0] += ", which it shares"
    if resources.accelerator:
        told.append(f"accelerator {resources.accelerator}")
    if resources.cpus is not None:
        told.append(f"{resources.cpus:g} CPU")
    if resources.memory:
        told.append(f"{resources.memory:,} bytes of memory")
    told += [f"{amount:g} {name}" for name, amount in resources.custom.items()]
    return ", ".join(told) or "nothing but its process"
