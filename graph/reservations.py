"""What each replica of a plan reserves, and where it may run: one record for each deployment.

The serving side turns these into Ray's words, ``feasibility`` holds them against machines.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

from umbel.graph.findings import Place
from umbel.graph.ir import Node
from umbel.graph.options import Resources, Scale
from umbel.graph.placement import Placement, Pool
from umbel.graph.plan import Deployment, Plan
from umbel.graph.steps import GraphName

LEAST_CPUS = 0.1
"""CPUs that Ray counts for a replica which asked for none: replicas are light, and CPUs are a
way to count, not a limit."""

Pools = Mapping[str, Pool]


@dataclass(frozen=True)
class Reservation:
    """``name``: the deployment, or the graph for its own replicas. ``scale``: replicas;
    ``None`` where their number follows from the machine."""

    name: str
    resources: Resources
    placement: Placement
    scale: Scale | None
    place: Place

    @property
    def amounts(self) -> dict[str, float]:
        """What one replica reserves, by Ray's names."""
        asked = self.resources
        found = {"CPU": LEAST_CPUS if asked.cpus is None else asked.cpus, "GPU": asked.gpus}
        found |= {"memory": asked.memory, **asked.custom}
        if asked.accelerator:
            found[f"accelerator_type:{asked.accelerator}"] = 0.001
        return {name: amount for name, amount in found.items() if amount}

    @property
    def least(self) -> int:
        """Replicas that run at any time."""
        return 1 if self.scale is None else self.scale.min

    @property
    def most(self) -> int:
        """Replicas that may run."""
        return 1 if self.scale is None else self.scale.ceiling


def reservations(plan: Plan) -> Iterator[Reservation]:
    """Of every graph that is served, then of every deployment."""
    for name in plan.program.served:
        yield of_graph(plan, name)
    for deployment in plan.deployments:
        yield of_deployment(plan, deployment)


def of_deployment(plan: Plan, deployment: Deployment) -> Reservation:
    """What one replica of a deployment reserves."""
    node = plan.program.graphs[deployment.graph].nodes[deployment.nodes[0]]
    resources, placement = in_pool(deployment.resources, deployment.options.placement, plan.pools)
    return Reservation(deployment.name, resources, placement, deployment.scale, node.place)


def of_graph(plan: Plan, name: GraphName) -> Reservation:
    """What one of a served graph's own replicas reserves: the sum of what the nodes ask for that
    were fused by force, of the graph itself and of those it calls."""
    graph = plan.program.graphs[name]
    asked = graph.settings.get("placement")
    placement = asked if isinstance(asked, Placement) else Placement()
    resources = Resources()
    for node in forced(plan, name):
        resources += node.options.resources
        placement = _both(placement, node.options.placement)
    resources, placement = in_pool(resources, placement, plan.pools)
    scale = graph.settings.get("scale")
    if not isinstance(scale, Scale):
        scale = Scale() if resources.gpus else None
    return Reservation(name, resources, placement, scale, graph.place)


def forced(plan: Plan, name: GraphName) -> list[Node]:
    """The nodes in the graph's own replicas that ask for something and have ``fuse="always"``."""
    return [
        node
        for graph in plan.program.only(name)
        for node in graph.nodes.values()
        if node.options.fuse == "always"
        and (node.options.resources.asked or node.options.placement.asked)
    ]


def in_pool(
    resources: Resources, placement: Placement, pools: Pools
) -> tuple[Resources, Placement]:
    """With what the pool adds; the node's own words win. Unchanged if nobody knows the pool."""
    pool = placement.pool if isinstance(placement.pool, Pool) else pools.get(placement.pool)
    if pool is None:
        return resources, placement
    return (
        replace(
            resources,
            accelerator=resources.accelerator or pool.accelerator,
            custom={**pool.resources, **resources.custom},
        ),
        replace(placement, pool=pool, labels={**pool.labels, **placement.labels}),
    )


def _both(one: Placement, other: Placement) -> Placement:
    return Placement(
        one.pool or other.pool,
        {**other.labels, **one.labels},
        one.per_machine or other.per_machine,
        "",
        one.apart or other.apart,
    )
