"""Nodes in this process. Equal nodes of several graphs are loaded once."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable

from umbel.graph.definitions import same_node
from umbel.graph.ir import Graph, Node
from umbel.nodes.loaded import LoadedNode
from umbel.serving.node_loading import load_node


class LocalBackend:
    """Loads nodes and hands them to the engine as their own handles."""

    def __init__(self) -> None:
        self._loaded: list[LoadedNode] = []

    async def start(self, nodes: Iterable[Node]) -> None:
        """Load every node, several at once. The first failure is raised after all others have
        ended and what was loaded is closed."""
        wanted: list[Node] = []
        for node in nodes:
            if self._find(node) is None and not any(same_node(node, other) for other in wanted):
                wanted.append(node)
        results = await asyncio.gather(
            *(asyncio.to_thread(load_node, node) for node in wanted), return_exceptions=True
        )
        self._loaded += [result for result in results if isinstance(result, LoadedNode)]
        failures = [result for result in results if isinstance(result, BaseException)]
        if failures:
            await self.close()
            raise failures[0]

    @property
    def loaded(self) -> tuple[LoadedNode, ...]:
        """The nodes of this process."""
        return tuple(self._loaded)

    def handle(self, graph: Graph, node: Node) -> LoadedNode:
        """The loaded node. ``start`` was given it."""
        loaded = self._find(node)
        if loaded is None:
            raise LookupError(f"node {node.name!r} of graph {graph.name!r} was not started")
        return loaded

    def _find(self, node: Node) -> LoadedNode | None:
        return next((one for one in self._loaded if same_node(one.node, node)), None)

    async def close(self) -> None:
        """Close all nodes."""
        loaded, self._loaded = self._loaded, []
        for node in loaded:
            await node.close()
