"""Load on one server: closed loop (a fixed number of clients) and open loop (arrivals by chance).

Latencies are in seconds. In the open loop they count from the moment a request was due, so
that a server that stalls is charged for everybody who waited.
"""

from __future__ import annotations

import asyncio
import gc
import random
import time
from array import array
from collections import deque
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass, field
from typing import Any

from harness.arrival_timer import ArrivalTimer
from harness.connection import Connection, connect
from harness.exchange import Exchange

MOST_CONNECTIONS = 64
"""Of the open loop; who comes later waits for one, on the clock."""

MOST_WAITING = 2_000
PATIENCE_S = 10.0
"""How long the last answers of a window are waited for."""


@dataclass
class Tally:
    """What one window gave. ``wrong``: status 200 but not the answer that was checked."""

    seconds: float = 0.0
    latencies: array[float] = field(default_factory=lambda: array("d"))
    answered: int = 0
    failed: int = 0
    wrong: int = 0
    unanswered: int = 0
    late: int = 0
    """Answered after a closed window's end: in no figure but the CPU time of a request."""

    overrun: bool = False
    """The open loop was ended early: too many waited."""

    complaint: str = ""
    """The first answer that was none."""

    def complain(self, status: int, body: bytes) -> None:
        """Keep the first."""
        self.complaint = self.complaint or f"{status}: {body[:200].decode(errors='replace')}"


class _Load:
    """The part that both loops share: connections, the requests in turn, the books."""

    def __init__(self, port: int, exchanges: Sequence[Exchange]) -> None:
        self._port, self._exchanges = port, exchanges
        self._turn = 0
        self._in_flight: dict[Connection, tuple[float, int]] = {}
        self._answers: dict[int, bytes] = {}
        self._end = float("inf")
        self._last = 0.0
        self._reconnecting: set[asyncio.Task[None]] = set()
        self.tally = Tally()

    def _send(self, connection: Connection, since: float) -> None:
        index = self._turn
        self._turn = (index + 1) % len(self._exchanges)
        self._in_flight[connection] = (since, index)
        connection.send(self._exchanges[index].request)

    def _answered(self, connection: Connection, status: int, head: bytes, body: bytes) -> None:
        raise NotImplementedError

    def _ready(self, connection: Connection) -> None:
        raise NotImplementedError

    def _book(self, connection: Connection, status: int, head: bytes, body: bytes) -> float:
        """Book one answer; gives the time."""
        now = time.perf_counter()
        since, index = self._in_flight.pop(connection)
        if now > self._end:
            self.tally.late += 1
            return now
        self._last = now
        if status != 200:
            self.tally.failed += 1
            self.tally.complain(status, body)
            return now
        if self._answers.get(index) != body:  # equal bytes were checked before: no decoding
            if self._exchanges[index].right(status, head, body):
                self._answers[index] = body
            else:
                self.tally.wrong += 1
                self.tally.complain(status, body)
                return now
        self.tally.answered += 1
        self.tally.latencies.append(now - since)
        return now

    def _replace(self) -> None:
        """A new connection, not in a hurry: who is refused by the server must not spin."""
        task = asyncio.ensure_future(self._reconnect())
        self._reconnecting.add(task)
        task.add_done_callback(self._reconnecting.discard)

    async def _reconnect(self) -> None:
        await asyncio.sleep(0.05)
        try:
            self._ready(await connect(self._port, self._answered))
        except OSError:
            self.tally.failed += 1

    async def _finish(self, seconds: float) -> Tally:
        self.tally.seconds = seconds
        end = time.perf_counter() + PATIENCE_S
        while self._in_flight and time.perf_counter() < end:
            await asyncio.sleep(0.01)
        self.tally.unanswered = len(self._in_flight)
        for connection in self._in_flight:
            connection.close()
        return self.tally


class ClosedLoop(_Load):
    """``clients`` connections, each sending its next request when the last is answered."""

    async def run(self, clients: int, seconds: float) -> Tally:
        """Load for ``seconds``."""
        connections = [await connect(self._port, self._answered) for _ in range(clients)]
        self._end = time.perf_counter() + seconds
        for connection in connections:
            self._ready(connection)
        await asyncio.sleep(seconds)
        tally = await self._finish(seconds)
        for connection in connections:
            connection.close()
        return tally

    def _answered(self, connection: Connection, status: int, head: bytes, body: bytes) -> None:
        self._book(connection, status, head, body)
        if connection.closed:
            self._replace()
        else:
            self._ready(connection)

    def _ready(self, connection: Connection) -> None:
        now = time.perf_counter()
        if now < self._end:
            self._send(connection, now)
        elif connection not in self._in_flight:
            connection.close()


class OpenLoop(_Load):
    """Requests at ``rate`` a second with exponential gaps, whatever the server does.

    Who was due in time is booked however late the answer."""

    async def run(self, rate: float, seconds: float, seed: int) -> Tally:
        """Load for ``seconds``; ends early, ``overrun``, when too many wait."""
        everybody = [await connect(self._port, self._answered) for _ in range(MOST_CONNECTIONS)]
        self._free = deque(everybody)
        self._waiting: deque[float] = deque()
        self._rate, self._chance = rate, random.Random(seed)
        self._arrived = asyncio.Event()
        started = self._due = time.perf_counter() + 0.02
        self._until = started + seconds
        timer = ArrivalTimer(lambda: self._arrive(timer))
        timer.set(self._due)
        await self._arrived.wait()
        timer.close()
        limit = time.perf_counter() + PATIENCE_S
        while self._waiting and time.perf_counter() < limit:
            await asyncio.sleep(0.01)
        waited = len(self._waiting)
        self._waiting.clear()
        tally = await self._finish(seconds)
        tally.unanswered += waited
        tally.seconds = max(self._last - started, 1e-9) if tally.overrun else seconds
        for connection in everybody:
            connection.close()
        return tally

    def _arrive(self, timer: ArrivalTimer) -> None:
        now = time.perf_counter()
        while self._due <= now:
            self.tally.overrun = len(self._waiting) > MOST_WAITING
            if self._due >= self._until or self.tally.overrun:
                self._arrived.set()
                return
            if self._free:
                self._send(self._free.popleft(), self._due)
            else:
                self._waiting.append(self._due)
            self._due += self._chance.expovariate(self._rate)
        timer.set(self._due)

    def _answered(self, connection: Connection, status: int, head: bytes, body: bytes) -> None:
        self._book(connection, status, head, body)
        if connection.closed:
            self._replace()
        else:
            self._ready(connection)

    def _ready(self, connection: Connection) -> None:
        if self._waiting:
            self._send(connection, self._waiting.popleft())
        else:
            self._free.append(connection)


def closed_loop(port: int, exchanges: Sequence[Exchange], clients: int, seconds: float) -> Tally:
    """One window of the closed loop."""

    async def window() -> Tally:
        return await ClosedLoop(port, exchanges).run(clients, seconds)

    return _without_collections(window)


def open_loop(
    port: int, exchanges: Sequence[Exchange], rate: float, seconds: float, seed: int
) -> Tally:
    """One window of the open loop; the same seed gives the same arrivals."""

    async def window() -> Tally:
        return await OpenLoop(port, exchanges).run(rate, seconds, seed)

    return _without_collections(window)


def _without_collections(window: Callable[[], Coroutine[Any, Any, Tally]]) -> Tally:
    """Runs a window with the garbage collector off, on uvloop where that is installed."""
    gc.collect()
    gc.disable()
    loop = _new_loop()
    try:
        return loop.run_until_complete(window())
    finally:
        loop.close()
        gc.enable()


def _new_loop() -> asyncio.AbstractEventLoop:
    try:
        import uvloop
    except ImportError:
        return asyncio.new_event_loop()
    return uvloop.new_event_loop()  # type: ignore[no-any-return,unused-ignore]


def complaint(port: int, exchange: Exchange, limit_s: float = 20.0) -> str:
    """Sends one request: empty if its answer is right. Raises OSError where nobody listens."""

    async def once() -> str:
        answer: asyncio.Future[str] = asyncio.get_running_loop().create_future()

        def answered(connection: Connection, status: int, head: bytes, body: bytes) -> None:
            right = exchange.right(status, head, body)
            answer.set_result("" if right else f"{status}: {body[:200]!r}")

        connection = await connect(port, answered)
        try:
            connection.send(exchange.request)
            return await asyncio.wait_for(answer, limit_s)
        except asyncio.TimeoutError:
            return f"no answer within {limit_s:.0f} s"
        finally:
            connection.close()

    return asyncio.run(once())
