"""The plan: which nodes share a replica, what each deployment reserves, and why.

A plan is made by named pure passes ``Plan -> Plan`` (``umbel.graph.passes``), each re-checked
after it ran. The serving side carries it out and decides nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from umbel.graph.ir import Program
from umbel.graph.options import NodeOptions, Resources, Scale
from umbel.graph.placement import Pool
from umbel.graph.steps import GraphName, NodeName


@dataclass(frozen=True)
class Decision:
    """What a pass decided about a subject, in words."""

    by: str
    subject: str
    words: str


@dataclass(frozen=True)
class Deployment:
    """Nodes of one graph that live in replicas of their own, apart from the graph's.
    ``routed_by``: an input; calls with equal values of it go to the same replica."""

    name: str
    graph: GraphName
    nodes: tuple[NodeName, ...]
    resources: Resources = Resources()
    scale: Scale = Scale()
    options: NodeOptions = NodeOptions()
    routed_by: str = ""


@dataclass(frozen=True)
class Plan:
    """A program with the place of every node. A node that no deployment names is *fused*: it
    runs in the replicas of the graph that is served. ``pools``: those of the pools file."""

    program: Program
    deployments: tuple[Deployment, ...] = ()
    decisions: tuple[Decision, ...] = ()
    pools: Mapping[str, Pool] = field(default_factory=dict)

    def deployment_of(self, graph: GraphName, node: NodeName) -> Deployment | None:
        """The deployment a node lives in, ``None`` if it is fused."""
        for deployment in self.deployments:
            if deployment.graph == graph and node in deployment.nodes:
                return deployment
        return None

    def because(self, by: str, subject: str, words: str) -> Plan:
        """The plan with one more decision on record."""
        return replace(self, decisions=(*self.decisions, Decision(by, subject, words)))
