"""A node that yields, or that takes a stream as an iterator.

A generator's next item is asked for when the one before it was taken: on the event loop while
its items are quick, in a thread else. When its reader stops, the generator is closed, so that
its ``finally`` runs.
"""

from __future__ import annotations

import asyncio
import contextlib
import inspect
import logging
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

from umbel.graph.ir import Node
from umbel.nodes.execution import Escaped, SyncExecution, thread_pool, was_cancelled
from umbel.nodes.item_streams import (
    END,
    BlockingItems,
    Items,
    from_iterable,
    in_own_thread,
    next_item,
)
from umbel.nodes.loaded import LoadedNode
from umbel.nodes.request_context import RequestContext

log = logging.getLogger("umbel.nodes")

CLOSE_S = 5.0
"""Seconds that a node's end waits for generators whose readers have gone."""


class StreamingNode(LoadedNode):
    """``stream`` for a node that yields; a call for one that takes a stream and gives a whole
    value."""

    def __init__(
        self, node: Node, function: Callable[..., Any], close: Callable[[], Any] | None = None
    ) -> None:
        super().__init__(node, function, close)
        self._takes = tuple(port.name for port in node.signature.inputs if port.type.stream)
        for name in self._takes:
            del self._types[name]  # handed on as it is
        self._is_async = self._sync is None or inspect.isasyncgenfunction(function)
        self.yields = node.signature.outputs[0].type.stream
        self._next = SyncExecution(next_item)
        self._closing: set[asyncio.Task[None]] = set()

    @property
    def inline(self) -> bool:
        """Never: a stream is waited for."""
        return False

    async def __call__(self, values: dict[str, Any], context: RequestContext) -> Any:
        """The whole value made of what the streams in ``values`` give."""
        ready = self.convert(values)
        async with contextlib.AsyncExitStack() as opened:
            self._open(ready, opened)
            if self._is_async or not self._takes:
                return await self._execute(ready)
            return await in_own_thread(lambda: self._function(**ready))

    def stream(self, values: dict[str, Any], context: RequestContext) -> Items:
        """The items for ``values``. Raises ``UnfitInput`` at once, all else as it is read."""
        return self._items(self.convert(values))

    async def close(self) -> None:
        """Also waits, for a while, for generators that are at work still."""
        if self._closing:
            await asyncio.wait(self._closing, timeout=CLOSE_S)
        await super().close()

    async def _items(self, ready: dict[str, Any]) -> Items:
        async with contextlib.AsyncExitStack() as opened:
            self._open(ready, opened)
            try:
                made = await self._made(ready)
                pull = self._awaited if hasattr(made, "__aiter__") else self._pulled
                async with contextlib.aclosing(pull(made)) as items:
                    async for item in items:
                        yield item
            except (SystemExit, asyncio.CancelledError) as error:
                if isinstance(error, asyncio.CancelledError) and was_cancelled():
                    raise
                raise Escaped(f"{type(error).__name__}: {error}") from error

    def _open(self, ready: dict[str, Any], opened: contextlib.AsyncExitStack) -> None:
        """Give each stream the shape that the code reads: an iterator, async for async code."""
        for name in self._takes:
            value: Any = ready.get(name)
            items: Any = value if hasattr(value, "__aiter__") else from_iterable(value or ())
            opened.push_async_callback(_close, items)
            if self._is_async:
                ready[name] = items
            else:
                ready[name] = BlockingItems(items, asyncio.get_running_loop())
                opened.callback(ready[name].close)

    async def _made(self, ready: dict[str, Any]) -> Any:
        """What the code gives for a call: some kind of iterator."""
        function = self._function
        if inspect.isgeneratorfunction(function) or inspect.isasyncgenfunction(function):
            return function(**ready)
        if self._takes and not self._is_async:
            made = await in_own_thread(lambda: function(**ready))
        else:
            made = await self._execute(ready)
        return made if hasattr(made, "__aiter__") else iter(made)

    async def _awaited(self, made: AsyncIterator[Any]) -> Items:
        try:
            async for item in made:
                yield item
        finally:
            await _close(made)

    async def _pulled(self, made: Iterator[Any]) -> Items:
        pulling: asyncio.Future[Any] | None = None
        item: Any = None
        try:
            while True:
                if self._next.inline and not self._takes:
                    item = self._next.call_inline({"iterator": made})
                    await asyncio.sleep(0)  # items that are always there would keep the loop
                else:
                    pulling = asyncio.ensure_future(self._pull(made))
                    item = await asyncio.shield(pulling)
                if item is END:
                    return
                yield item
        finally:
            if item is not END and hasattr(made, "close"):
                await self._let_go(made, pulling)

    async def _pull(self, made: Iterator[Any]) -> Any:
        if self._takes:
            return await in_own_thread(next_item, made)
        return await self._next({"iterator": made})

    async def _let_go(self, made: Any, pulling: asyncio.Future[Any] | None) -> None:
        """Close a generator. One that is at work can only be closed after that, in the
        background: nobody waits for it."""
        if pulling is None or pulling.done():
            await self._close_generator(made, None)
            return
        task = asyncio.ensure_future(self._close_generator(made, pulling))
        self._closing.add(task)
        task.add_done_callback(self._closing.discard)

    async def _close_generator(self, made: Any, pulling: asyncio.Future[Any] | None) -> None:
        if pulling is not None:
            await asyncio.wait([pulling])
            if not pulling.cancelled():
                pulling.exception()  # seen
        try:
            if self._takes:
                await in_own_thread(made.close)
            else:
                loop = asyncio.get_running_loop()
                await loop.run_in_executor(thread_pool(), made.close)
        except Exception:
            log.exception("a stream of node %r failed to close", self.node.name)


async def _close(items: Any) -> None:
    close = getattr(items, "aclose", None)
    if close is not None:
        await close()
