"""Models that are in memory, within a budget of bytes: the least recently used leave first.

A model is loaded when it is first used, once however many requests wait for it. While a request
uses it, it is pinned: only models that nobody uses leave. Loads run one after the other, so that
what memory grows by meanwhile is the model's.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections import OrderedDict
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from typing import Generic, Protocol, TypeVar

from umbel.graph.errors import NotReady, UmbelError

log = logging.getLogger("umbel.nodes")

T = TypeVar("T")
P = TypeVar("P")

FAILED_FOR_S = 5.0
"""Seconds for which requests get the last failure of a model, before it is tried again."""


@dataclass
class Counts:
    """What became of calls. A miss loaded the model, or waited for its load. ``load_seconds``
    is the time of all loads together, downloads included."""

    hits: int = 0
    misses: int = 0
    loads: int = 0
    evictions: int = 0
    failures: int = 0
    load_seconds: float = 0.0


@dataclass
class _Resident(Generic[T]):
    value: T
    size: int
    pins: int = 0
    dropped: bool = False


@dataclass
class _Load(Generic[T]):
    waiting: int = 0
    resident: _Resident[T] | None = None
    task: asyncio.Task[None] = field(init=False)


class Source(Protocol[T, P]):
    """Where models come from. ``P`` is a model that is on this machine and not in memory."""

    async def prepare(self, name: str) -> tuple[P, int, int]:
        """The model's files with the bytes it will take at least, and probably. Raises
        NotFound."""

    async def open(self, name: str, prepared: P) -> tuple[T, int]:
        """The model in memory with the bytes it takes."""

    async def close(self, value: T) -> None:
        """Let go of a model."""


class ResidentModels(Generic[T, P]):
    """The models of ``source`` that are in memory, ``budget`` bytes of them at most."""

    def __init__(
        self, source: Source[T, P], budget: int, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self.source, self.budget, self.counts = source, budget, Counts()
        self._clock = clock
        self._residents: OrderedDict[str, _Resident[T]] = OrderedDict()
        self._loads: dict[str, _Load[T]] = {}
        self._measured: dict[str, int] = {}
        self._failed: dict[str, tuple[float, UmbelError]] = {}
        self._reserved = self._leaving = 0
        self._opening, self._turn = asyncio.Lock(), asyncio.Lock()
        self._freed = asyncio.Event()
        self._closings: set[asyncio.Task[None]] = set()

    @property
    def used(self) -> int:
        """Bytes of all models in memory, those included that are dropped and still in use."""
        return sum(one.size for one in self._residents.values()) + self._leaving

    @property
    def names(self) -> list[str]:
        """The models in memory, the least recently used first."""
        return list(self._residents)

    @property
    def failures(self) -> dict[str, str]:
        """Why the last load of each model failed, where it did."""
        return {name: str(error) for name, (_, error) in self._failed.items()}

    @contextlib.asynccontextmanager
    async def use(self, name: str) -> AsyncIterator[T]:
        """The model, pinned until the block ends. Raises what its source raises."""
        resident = self._residents.get(name)
        if resident is not None:
            self.counts.hits += 1
            self._residents.move_to_end(name)
            resident.pins += 1
        else:
            self.counts.misses += 1
            self._raise_recent(name)
            resident = await self._loaded(name)
        try:
            yield resident.value
        finally:
            self._unpin(resident)

    async def load(self, name: str) -> None:
        """Load a model now, whether or not its last load failed."""
        self._failed.pop(name, None)
        if name not in self._residents:
            self._unpin(await self._loaded(name))

    async def drop(self, name: str) -> None:
        """Take a model out. Calls that use it end as if nothing had happened."""
        load = self._loads.get(name)
        if load is not None:
            await asyncio.wait([load.task])
        self._failed.pop(name, None)
        resident = self._residents.pop(name, None)
        if resident is not None:
            resident.dropped = True
            self._leaving += resident.size
            if not resident.pins:
                self._let_go(resident)

    async def close(self) -> None:
        """Take all models out. No call is under way any more."""
        for load in list(self._loads.values()):
            load.task.cancel()
            await asyncio.wait([load.task])
        for name in list(self._residents):
            await self.drop(name)
        if self._closings:
            await asyncio.wait(self._closings)

    def _raise_recent(self, name: str) -> None:
        at, error = self._failed.get(name, (0.0, None))
        if error is not None and self._clock() - at < FAILED_FOR_S and name not in self._loads:
            raise type(error)(*error.args)

    async def _loaded(self, name: str) -> _Resident[T]:
        """The model, pinned once for the caller."""
        load = self._loads.get(name)
        if load is None:
            load = self._loads[name] = _Load()
            load.task = asyncio.create_task(self._load(name, load))
            load.task.add_done_callback(_retrieve)
        load.waiting += 1
        try:
            await asyncio.shield(load.task)
        except BaseException:
            load.waiting -= 1
            if load.resident is not None:
                self._unpin(load.resident)
            raise
        if load.resident is None:
            raise NotReady(f"model {name!r} was not loaded: the pool is closing")
        return load.resident

    async def _load(self, name: str, load: _Load[T]) -> None:
        began = self._clock()
        try:
            prepared, least, probably = await self.source.prepare(name)
            needed = max(least, self._measured.get(name) or min(probably, self.budget))
            if least > self.budget:
                raise NotReady(
                    f"model {name!r} takes at least {least:,} bytes, and all models of its pool "
                    f"together may take {self.budget:,}: give the pool more memory"
                )
            async with self._room_for(needed), self._opening:
                value, size = await self.source.open(name, prepared)
            size = self._measured[name] = max(size, needed)
        except UmbelError as error:
            self.counts.failures += 1
            self._failed[name] = (self._clock(), error)
            raise
        finally:
            del self._loads[name]
        self.counts.loads += 1
        self.counts.load_seconds += self._clock() - began
        self._failed.pop(name, None)
        load.resident = self._residents[name] = _Resident(value, size, load.waiting)
        self._evict(0, but=name)

    @contextlib.asynccontextmanager
    async def _room_for(self, size: int) -> AsyncIterator[None]:
        """Bytes set aside for a load. Waits while all models that could leave are in use; who
        came first gets room first. A model that turned out larger than the budget when it was
        in memory before has to be alone."""
        async with self._turn:
            while not self._evict(size) and (self.used or self._reserved):
                self._freed.clear()
                await self._freed.wait()
            self._reserved += size
        try:
            yield
        finally:
            self._reserved -= size
            self._freed.set()

    def _evict(self, size: int, but: str = "") -> bool:
        """Take out unused models, the least recently used first, until ``size`` more bytes fit.
        Returns whether they do."""
        for name in list(self._residents):
            if self.used + self._reserved + size <= self.budget:
                break
            resident = self._residents[name]
            if not resident.pins and name != but:
                del self._residents[name]
                self._leaving += resident.size
                self.counts.evictions += 1
                self._let_go(resident)
        return self.used + self._reserved + size <= self.budget

    def _unpin(self, resident: _Resident[T]) -> None:
        resident.pins -= 1
        if resident.pins:
            return
        if resident.dropped:
            self._let_go(resident)
        elif self.used > self.budget:
            self._evict(0)
        self._freed.set()

    def _let_go(self, resident: _Resident[T]) -> None:
        self._leaving -= resident.size
        closing = asyncio.create_task(self._closed(self.source.close(resident.value)))
        self._closings.add(closing)
        closing.add_done_callback(self._closings.discard)
        self._freed.set()

    async def _closed(self, closing: Awaitable[None]) -> None:
        try:
            await closing
        except Exception:
            log.exception("a model failed to close")


def _retrieve(task: asyncio.Task[None]) -> None:
    """Everyone who waited for the load may have left: its error is not news for the loop."""
    if not task.cancelled():
        task.exception()
