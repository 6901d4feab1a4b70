"""Work that nobody waits for: mirrored calls. Bounded, counted, and ended on shutdown."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine
from typing import Any

log = logging.getLogger("umbel.mirror")

MOST_AT_ONCE = 64
"""Background calls in flight in one engine. Further ones are dropped: a slow shadow must not
fill the memory with bodies."""

LONGEST_S = 30.0
"""Seconds after which a background call is cancelled."""

GRACE_S = 5.0
"""Seconds that calls under way get on shutdown before they are cancelled."""


class BackgroundCalls:
    """The background calls of one engine, with counts of what became of them."""

    def __init__(self, most: int = MOST_AT_ONCE, longest_s: float = LONGEST_S) -> None:
        self.most, self.longest_s = most, longest_s
        self.started = self.dropped = self.failed = 0
        self._tasks: set[asyncio.Task[None]] = set()
        self._closed = False

    @property
    def in_flight(self) -> int:
        """Calls that have not ended."""
        return len(self._tasks)

    @property
    def used(self) -> bool:
        """True once there was anything to start."""
        return bool(self.started or self.dropped)

    def start(self, name: str, work: Callable[[], Coroutine[Any, Any, object]]) -> bool:
        """Run ``work`` in a task of its own, or drop it. Never raises, never waits."""
        if self._closed or len(self._tasks) >= self.most:
            self.dropped += 1
            if self.dropped & (self.dropped - 1) == 0:
                log.warning("%s: %d background calls dropped so far", name, self.dropped)
            return False
        self.started += 1
        task = asyncio.create_task(self._run(name, work))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return True

    async def _run(self, name: str, work: Callable[[], Coroutine[Any, Any, object]]) -> None:
        try:
            await asyncio.wait_for(work(), self.longest_s)
        except Exception as error:
            self.failed += 1
            log.info("%s failed: %s: %s", name, type(error).__name__, error)

    async def close(self, grace_s: float = GRACE_S) -> None:
        """Let calls under way end, cancel those that do not within ``grace_s`` seconds."""
        self._closed = True
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=grace_s)
        left = list(self._tasks)
        for task in left:
            task.cancel()
        if left:
            await asyncio.wait(left)
