"""Nodes in this process. Equal nodes of several graphs are loaded once."""

from __future__ import annotations

import asyncio
import contextlib
import threading
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
        loading = [_load_in_thread(node) for node in wanted]
        try:
            results = await asyncio.gather(*loading, return_exceptions=True)
        finally:
            ended = [one for one in loading if one.done() and not one.cancelled()]
            self._loaded += [one.result() for one in ended if one.exception() is None]
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


def _load_in_thread(node: Node) -> asyncio.Future[LoadedNode]:
    """The node, loaded in a thread that ends with the process: a stop need not wait for it."""
    loop = asyncio.get_running_loop()
    future: asyncio.Future[LoadedNode] = loop.create_future()

    def settle(loaded: LoadedNode | None, error: BaseException | None) -> None:
        if future.done():
            return
        if loaded is not None:
            future.set_result(loaded)
        elif error is not None:
            future.set_exception(error)

    def load() -> None:
        loaded: LoadedNode | None = None
        failure: BaseException | None = None
        try:
            loaded = load_node(node)
        except BaseException as error:
            failure = error
        with contextlib.suppress(RuntimeError):  # the loop is closed: nobody waits any more
            loop.call_soon_threadsafe(settle, loaded, failure)

    threading.Thread(target=load, name=f"umbel-load-{node.name}", daemon=True).start()
    return future
