"""An explainer in replicas of its own: what it explains is called from there, not through the
graph's replicas, so that clients' predictions do not wait for explanations."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager, nullcontext

from umbel.graph.ir import Graph, Node
from umbel.graph.plan import Plan
from umbel.graph.steps import GraphName, NodeName
from umbel.nodes.loaded import Handle
from umbel.nodes.predicting import predicting
from umbel.nodes.request_context import RequestContext
from umbel.serving.explaining import GraphPredictor, explained_by
from umbel.serving.graph_host import GraphHost

FindHandle = Callable[[Plan, Graph, Node], "Handle | None"]
"""Gives the handle of a node that lives elsewhere, ``None`` for one that is loaded here."""


class ExplainedGraphs:
    """What the explainers of one replica explain, each ready to be called."""

    def __init__(self) -> None:
        self._hosts: dict[str, tuple[GraphHost, GraphName]] = {}

    async def start(
        self, plan: Plan, graph: str, nodes: Iterable[str], version: str, find: FindHandle
    ) -> None:
        """Load what is fused of everything that ``nodes`` explain."""
        for node in nodes:
            part = explained_by(plan, GraphName(graph), NodeName(node))
            if part is None:
                continue
            host = GraphHost(part, version, _finder(part, find))
            await host.start()
            self._hosts[node] = host, part.program.served[0]

    async def close(self) -> None:
        """Let go of what was loaded."""
        for host, _ in self._hosts.values():
            await host.close()

    def during(self, node: str, context: RequestContext) -> AbstractContextManager[None]:
        """What ``node`` explains can be called inside."""
        found = self._hosts.get(node)
        if found is None:
            return nullcontext()
        host, name = found
        return predicting(GraphPredictor(host.engine, name, context))


def _finder(part: Plan, find: FindHandle) -> Callable[[Graph, Node], Handle | None]:
    return lambda graph, node: find(part, graph, node)
