"""The values of one graph run."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, Final

from umbel.nodes.request_context import RequestContext

MISSING: Final = object()
"""Stands for a value that is not there yet; ``None`` is a value."""


class Scope:
    """One slot a step. A step that several branches demand at once runs once. ``from_client``
    names the graph's inputs that are the client's own, not a node's."""

    __slots__ = ("_running", "context", "from_client", "values")

    def __init__(
        self, size: int, context: RequestContext, from_client: frozenset[str] = frozenset()
    ) -> None:
        self.values: list[Any] = [MISSING] * size
        self.context = context
        self.from_client = from_client
        self._running: dict[int, asyncio.Task[Any]] = {}

    async def once(self, index: int, run: Callable[[Scope], Awaitable[Any]]) -> Any:
        """The value of a shared step; joins the run that is under way, if there is one."""
        if self.values[index] is not MISSING:
            return self.values[index]
        task = self._running.get(index)
        if task is None:
            task = asyncio.ensure_future(self._fill(index, run))
            self._running[index] = task
        return await asyncio.shield(task)

    async def close(self) -> None:
        """Cancel what still runs, since nobody waits for it any more, and see it end."""
        tasks = self._running.values()
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _fill(self, index: int, run: Callable[[Scope], Awaitable[Any]]) -> Any:
        value = await run(self)
        self.values[index] = value
        return value
