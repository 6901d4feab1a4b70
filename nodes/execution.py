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
from collections.abc import Callable, Coroutine, Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any, TypeVar

T = TypeVar("T")

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


class Escaped(RuntimeError):
    """A node raised what would end more than its call: ``SystemExit``, a cancellation that
    nobody asked for, ``StopIteration``, which no future can carry. It is the cause."""


def was_cancelled() -> bool:
    """Whether a ``CancelledError`` in hand was asked for from outside, rather than raised by a
    node that lost a task of its own. Python 3.10 cannot tell."""
    task = asyncio.current_task()
    cancelling = getattr(task, "cancelling", None)
    return cancelling is None or cancelling() > 0


class Waits(RuntimeError):
    """A call that was to be answered in its own thread waits for something."""


def answered_here(work: Coroutine[Any, Any, T]) -> T:
    """What ``work`` gives, run to its end in this thread, which has no event loop. For calls of
    which ``blocking`` nodes are all that is waited for. Raises ``Waits`` where there is more."""
    try:
        work.send(None)
    except StopIteration as done:
        result: T = done.value
        return result
    work.close()
    raise Waits


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
        loop = asyncio._get_running_loop()
        if loop is None:  # a thread that has nothing else to do: see ``answered_here``
            result, seconds = self._timed(values)
            self._note(seconds)
            return result
        run = partial(contextvars.copy_context().run, self._timed, values)
        result, seconds = await loop.run_in_executor(thread_pool(), run)
        self._note(seconds)
        return result

    def call_inline(self, values: Mapping[str, Any]) -> Any:
        """Call on the loop. Only while ``inline`` is true.

        The code sees no running loop, as in a thread: ``asyncio.run`` works in both or in none.
        """
        start = time.perf_counter()
        loop = asyncio._get_running_loop()
        asyncio._set_running_loop(None)
        try:
            return self._call(values)
        finally:
            asyncio._set_running_loop(loop)
            if time.perf_counter() - start > SLOW_S:
                self._demote()

    def _call(self, values: Mapping[str, Any]) -> Any:
        try:
            return self._function(**values)
        except (StopIteration, SystemExit, GeneratorExit, asyncio.CancelledError) as error:
            raise Escaped(f"{type(error).__name__}: {error}") from error

    def _timed(self, values: Mapping[str, Any]) -> tuple[Any, float]:
        start = time.perf_counter()
        result = self._call(values)
        return result, time.perf_counter() - start

    def _note(self, seconds: float) -> None:
        self._quick_calls = self._quick_calls + 1 if seconds < QUICK_S else 0
        if self._quick_calls >= self._needed:
            self.inline = True

    def _demote(self) -> None:
        self.inline = False
        self._quick_calls = 0
        self._needed = min(self._needed * 10, 100_000)
