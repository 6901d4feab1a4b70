"""The values of one graph run."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, Final

from umbel.nodes.request_context import RequestContext

MISSING: Final = object()
"""Stands for a value that is not there yet; ``None`` is a value."""


class Scope:
    """One slot a step. A step that several branches demand at once runs once."""

    __slots__ = ("_running", "context", "values")

    def __init__(self, size: int, context: RequestContext) -> None:
        self.values: list[Any] = [MISSING] * size
        self.context = context
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

    def close(self) -> None:
        """Cancel what still runs: nobody waits for it any more."""
        for task in self._running.values():
            task.cancel()

    async def _fill(self, index: int, run: Callable[[Scope], Awaitable[Any]]) -> Any:
        value = await run(self)
        self.values[index] = value
        return value
