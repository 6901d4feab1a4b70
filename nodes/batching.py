"""Dynamic batching: a batch is whatever waits when the node becomes free.

A lone request runs at once. While the node is busy, requests queue up; those that fit
together (same forms, dtypes, inner shapes) run as one call along the batch axis and are split
again. If a joined call fails, each of its requests runs alone, so one bad row fails nobody
else. After Clipper and "opportunistic batching": no added latency at low load.
"""

from __future__ import annotations

import asyncio
import logging
import sys
import time
from collections import deque
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from umbel.graph.options import Batch

log = logging.getLogger("umbel.batching")

Run = Callable[[dict[str, Any]], Awaitable[Any]]


@dataclass(eq=False, slots=True)
class _Waiting:
    """One request in the queue. ``rows`` is its length on the batch axis, 0 if it cannot be
    joined with others; ``kind`` is equal for requests that can be."""

    values: dict[str, Any]
    rows: int
    kind: object
    done: asyncio.Future[Any]
    since: float


class NotSplittable(Exception):
    """A joined call's result has no part for each request."""


class Batcher:
    """Joins calls of one node. Order among requests of one kind is kept."""

    def __init__(self, run: Run, batch: Batch, name: str) -> None:
        self._run, self._batch, self._name = run, batch, name
        self._queue: deque[_Waiting] = deque()
        self._worker: asyncio.Future[Any] | None = None
        self._arrived = asyncio.Event()
        self._splits = True
        self.batches = 0
        """Joined or single calls made so far."""

    async def __call__(self, values: dict[str, Any]) -> Any:
        """The node's value for ``values``, from a call of its own or a joined one."""
        if self._worker is None and self._batch.max_wait_ms <= 0:
            return await self._at_once(values)
        rows, kind = _shape_of(values) if self._splits else (0, None)
        loop = asyncio.get_running_loop()
        waiting = _Waiting(values, rows, kind, loop.create_future(), time.monotonic())
        self._queue.append(waiting)
        if self._worker is None:
            self._worker = loop.create_task(self._work())
        else:
            self._arrived.set()
        return await waiting.done

    async def _at_once(self, values: dict[str, Any]) -> Any:
        """A lone request's call, in a task that is the worker until it has ended: whoever comes
        meanwhile waits, also when the one who asked has left."""
        self.batches += 1
        call: asyncio.Future[Any] = asyncio.ensure_future(self._run(values))
        self._worker = call
        call.add_done_callback(self._carry_on)
        return await asyncio.shield(call)

    def _carry_on(self, ended: asyncio.Future[Any]) -> None:
        if not ended.cancelled():
            ended.exception()  # told to who asked; nobody else has to ask for it
        self._worker = asyncio.ensure_future(self._work()) if self._queue else None

    async def _work(self) -> None:
        try:
            while self._queue:
                if self._batch.max_wait_ms > 0:
                    await self._linger()
                await self._serve(self._next())
        finally:
            self._worker = None

    async def _linger(self) -> None:
        """Wait for company until the oldest has waited its time or a batch is full."""
        oldest = self._queue[0]
        end = oldest.since + self._batch.max_wait_ms / 1000
        while oldest.rows and self._rows_like(oldest) < self._batch.max_size:
            left = end - time.monotonic()
            if left <= 0:
                return
            self._arrived.clear()
            try:
                await asyncio.wait_for(self._arrived.wait(), left)
            except asyncio.TimeoutError:
                return

    def _rows_like(self, first: _Waiting) -> int:
        return sum(one.rows for one in self._queue if one.kind == first.kind)

    def _next(self) -> list[_Waiting]:
        """The oldest request and those behind it that fit with it, up to ``max_size`` rows."""
        first = self._queue.popleft()
        if not first.rows:
            return [first]
        taken, rows = [first], first.rows
        kept: list[_Waiting] = []
        for one in self._queue:
            if one.done.done():
                continue
            if one.kind == first.kind and one.rows and rows + one.rows <= self._batch.max_size:
                taken.append(one)
                rows += one.rows
            else:
                kept.append(one)
        self._queue = deque(kept)
        return taken

    async def _serve(self, items: Sequence[_Waiting]) -> None:
        live = [one for one in items if not one.done.done()]
        if len(live) > 1:
            try:
                results = await self._joined(live)
            except Exception as error:
                if isinstance(error, NotSplittable):
                    self._splits = False
                    log.warning("node %r is called for each request: %s", self._name, error)
            else:
                for one, result in zip(live, results, strict=True):
                    _settle(one.done, result)
                return
        for one in live:
            await self._alone(one)

    async def _joined(self, items: Sequence[_Waiting]) -> list[Any]:
        values = {name: _join([one.values[name] for one in items]) for name in items[0].values}
        self.batches += 1
        result = await self._run(values)
        return _split(result, [one.rows for one in items])

    async def _alone(self, one: _Waiting) -> None:
        self.batches += 1
        try:
            result = await self._run(one.values)
        except Exception as error:
            if not one.done.done():
                one.done.set_exception(error)
        else:
            _settle(one.done, result)


def _settle(done: asyncio.Future[Any], result: Any) -> None:
    if not done.done():
        done.set_result(result)


def _torch() -> Any:
    return sys.modules.get("torch")


def _is_tensor(value: Any) -> bool:
    torch = _torch()
    return torch is not None and isinstance(value, torch.Tensor)


def _shape_of(values: Mapping[str, Any]) -> tuple[int, object]:
    """The common number of rows and what must be equal to be joined; 0 rows if there is an
    input that has no batch axis or lengths differ."""
    rows: set[int] = set()
    kind: list[object] = []
    for name, value in values.items():
        if isinstance(value, np.ndarray) or _is_tensor(value):
            if not value.ndim:
                return 0, None
            rows.add(len(value))
            kind.append((name, type(value), str(value.dtype), tuple(value.shape[1:])))
        elif isinstance(value, list):
            rows.add(len(value))
            kind.append((name, list))
        else:
            return 0, None
    if len(rows) != 1:
        return 0, None
    return rows.pop(), tuple(kind)


def _join(parts: Sequence[Any]) -> Any:
    if isinstance(parts[0], np.ndarray):
        return np.concatenate(parts)
    if isinstance(parts[0], list):
        return [row for part in parts for row in part]
    return _torch().cat(list(parts))


def _split(result: Any, rows: Sequence[int]) -> list[Any]:
    """The parts of a joined result. Raises ``NotSplittable``."""
    if isinstance(result, Mapping):
        columns = {key: _split(value, rows) for key, value in result.items()}
        return [{key: parts[i] for key, parts in columns.items()} for i in range(len(rows))]
    if isinstance(result, tuple):
        sides = [_split(value, rows) for value in result]
        return [tuple(side[i] for side in sides) for i in range(len(rows))]
    if not (isinstance(result, (np.ndarray, list)) or _is_tensor(result)):
        raise NotSplittable(f"its result, {type(result).__name__}, has no batch axis")
    if (not isinstance(result, list) and not result.ndim) or len(result) != sum(rows):
        raise NotSplittable(f"its result has not one row for each of the {sum(rows)} it got")
    parts: list[Any] = []
    start = 0
    for count in rows:
        part = result[start : start + count]
        parts.append(part.copy() if isinstance(part, np.ndarray) else part)
        start += count
    return parts
