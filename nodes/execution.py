"""Where a synchronous node runs: on the event loop if it is quick, in a thread if not.

A hop to a thread costs about as much as a light node itself, and a slow node on the loop
stalls every other request. Which it is, is measured: a node starts in a thread, moves to the
loop after several quick calls, and goes back at the first slow one; each return makes the
next promotion ten times harder.
"""

from __future__ import annotations

import asyncio
import contextvars
import os
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any

QUICK_S = 0.001
"""Seconds of wall time under which a call counts as quick. A thread hop costs 0.05 to 0.1 ms."""

SLOW_S = 0.005
"""Seconds on the loop after which a node is sent back to a thread."""

PROMOTE_AFTER = 3
"""Quick calls in a row before a node may run on the loop."""

_pool: ThreadPoolExecutor | None = None


def thread_pool() -> ThreadPoolExecutor:
    """The process's threads for synchronous nodes, made when first needed."""
    global _pool  # noqa: PLW0603  one process, one pool
    if _pool is None:
        workers = min(64, 8 + 4 * (os.cpu_count() or 1))
        _pool = ThreadPoolExecutor(workers, thread_name_prefix="umbel-node")
    return _pool


class SyncExecution:
    """Runs one synchronous callable, on the loop or in a thread as its times suggest."""

    def __init__(self, function: Callable[..., Any]) -> None:
        self._function = function
        self.inline = False
        self._quick_calls = 0
        self._needed = PROMOTE_AFTER

    async def __call__(self, values: Mapping[str, Any]) -> Any:
        if self.inline:
            return self.call_inline(values)
        loop = asyncio.get_running_loop()
        run = partial(contextvars.copy_context().run, self._timed, values)
        result, seconds = await loop.run_in_executor(thread_pool(), run)
        self._note(seconds)
        return result

    def call_inline(self, values: Mapping[str, Any]) -> Any:
        """Call on the loop. Only while ``inline`` is true."""
        start = time.perf_counter()
        try:
            return self._function(**values)
        finally:
            if time.perf_counter() - start > SLOW_S:
                self._demote()

    def _timed(self, values: Mapping[str, Any]) -> tuple[Any, float]:
        start = time.perf_counter()
        result = self._function(**values)
        return result, time.perf_counter() - start

    def _note(self, seconds: float) -> None:
        self._quick_calls = self._quick_calls + 1 if seconds < QUICK_S else 0
        if self._quick_calls >= self._needed:
            self.inline = True

    def _demote(self) -> None:
        self.inline = False
        self._quick_calls = 0
        self._needed = min(self._needed * 10, 100_000)
