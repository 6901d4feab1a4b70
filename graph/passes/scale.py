"""How many replicas each deployment has, from what its nodes asked for."""

from __future__ import annotations

from dataclasses import replace

from umbel.graph.options import Scale
from umbel.graph.plan import Plan


def scale(plan: Plan) -> Plan:
    """The plan with the replicas of every deployment; a shared one has one replica."""
    deployments = []
    for deployment in plan.deployments:
        asked = deployment.options.scale
        if asked is not None:
            deployment = replace(deployment, scale=asked)
            plan = plan.because("scale", deployment.name, in_words(asked))
        deployments.append(deployment)
    for name in plan.program.served:
        whole = plan.program.graphs[name].settings.get("scale")
        if isinstance(whole, Scale):
            plan = plan.because("scale", name, f"the graph as a whole: {in_words(whole)}")
    return replace(plan, deployments=tuple(deployments))


def in_words(asked: Scale) -> str:
    """A scale as a user reads it."""
    if asked.min == asked.ceiling:
        return f"{asked.min} replicas" if asked.min != 1 else "1 replica"
    load = f", {asked.target:g} {asked.metric} each" if asked.target else f", by {asked.metric}"
    return f"{asked.min} to {asked.ceiling} replicas{load}"
