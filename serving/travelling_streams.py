"""Streams that go from one replica to another as values: an argument of a node apart that reads
a stream, and what a class apart gives that yields.

What travels is a mark. Who gets it asks the process of origin for the items, which sends them one
by one, a window ahead at most. Nothing is made before it is asked for.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass
from typing import Any

from umbel.nodes.item_streams import Items, is_stream, items_of
from umbel.nodes.request_context import RequestContext, enter
from umbel.serving.ray_streams import readable_items
from umbel.serving.stream_windows import (
    TOLD_EVERY,
    Peer,
    ReaderGone,
    note_taken,
    open_window,
    own_name,
)

Packed = Callable[[Any], Any]
"""Makes an item ready for another process."""

OPENED_WITHIN_S = 60.0
"""Seconds after which a stream is closed that nobody has begun to read."""

_LOOK_AFTER_S = 20.0
"""Seconds without an item after which a reader looks whether the origin is still there."""


@dataclass(frozen=True)
class StreamMark:
    """Stands for a stream on its way: the replica of origin, and the stream there."""

    origin: str
    stream: str


class Outbox:
    """A stream of this process for a reader in another one."""

    def __init__(self, value: Any, context: RequestContext, name: str, packed: Packed) -> None:
        self._items, self._context, self._name = items_of(value), context, name
        self._packed = packed
        self._loop = asyncio.get_running_loop()
        self._opening = contextlib.ExitStack()
        self._window = self._opening.enter_context(open_window())
        self._work: asyncio.Task[None] | None = None
        self._closed = False
        self.ended = asyncio.Event()
        self._late = self._loop.call_later(OPENED_WITHIN_S, self.close)
        _outboxes[self._window.id] = self

    @property
    def mark(self) -> StreamMark:
        """What travels."""
        return StreamMark(own_name(), self._window.id)

    def from_elsewhere(self, function: Callable[..., None], *args: Any) -> None:
        """Run one of this object's methods on its loop. From any thread."""
        self._loop.call_soon_threadsafe(function, *args)

    def start(self, reader: str) -> None:
        """The reader is there and waits for items."""
        if self._work is None and not self.ended.is_set():
            self._late.cancel()
            self._work = self._loop.create_task(self._send(Peer(reader)))

    def close(self) -> None:
        """No further items: the code that yields is closed."""
        if self._closed:
            return
        self._closed = True
        self._late.cancel()
        if self._work is None:
            self._work = self._loop.create_task(self._let_go())
        else:
            self._work.cancel()

    async def _send(self, reader: Peer) -> None:
        enter(self._context)
        sent = 0
        try:
            items = readable_items(lambda: self._items, self._context, self._name)
            async with contextlib.aclosing(items):
                async for done, value in items:
                    told = self._packed(value) if done else value
                    await reader.tell(deliver, self._window.id, sent, done, told)
                    sent += 1
                    await self._window.room(sent)
            await reader.tell(deliver, self._window.id, sent, None, None)
        except ReaderGone:
            return
        finally:
            await self._let_go()

    async def _let_go(self) -> None:
        _outboxes.pop(self._window.id, None)
        self._opening.close()
        try:
            await self._items.aclose()
        finally:
            self.ended.set()


class Inbox:
    """The reading end."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._came = asyncio.Event()
        self._waiting: dict[int, tuple[bool | None, Any]] = {}

    def put(self, number: int, told: tuple[bool | None, Any]) -> None:
        """An item has come. From any thread."""
        self._loop.call_soon_threadsafe(self._put, number, told)

    def _put(self, number: int, told: tuple[bool | None, Any]) -> None:
        self._waiting[number] = told
        self._came.set()

    async def take(self, number: int, origin: Peer) -> tuple[bool | None, Any]:
        """Item ``number``: calls between replicas may overtake one another. Raises
        ``ReaderGone`` where the origin has ended."""
        while number not in self._waiting:
            self._came.clear()
            try:
                await asyncio.wait_for(self._came.wait(), _LOOK_AFTER_S)
            except asyncio.TimeoutError:
                await origin.check()
        return self._waiting.pop(number)


_outboxes: dict[str, Outbox] = {}
_inboxes: dict[str, Inbox] = {}


async def received(mark: StreamMark) -> Items:
    """The items of a stream that lives elsewhere. The first is asked for when it is read."""
    inbox, origin = Inbox(), Peer(mark.origin)
    _inboxes[mark.stream] = inbox
    taken, ended = 0, False
    try:
        await origin.tell(start, mark.stream, own_name())
        while not ended:
            done, value = await inbox.take(taken, origin)
            ended = not done
            if done:
                yield value
                taken += 1
                if taken % TOLD_EVERY == 0:
                    await origin.tell(note_taken, mark.stream, taken)
            elif done is False:
                raise value
    finally:
        del _inboxes[mark.stream]
        if not ended:
            await origin.tell(stop, mark.stream)


def with_streams(values: Mapping[str, Any]) -> dict[str, Any]:
    """Values as they came, with streams in place of their marks."""
    return {
        name: received(value) if isinstance(value, StreamMark) else value
        for name, value in values.items()
    }


@contextlib.asynccontextmanager
async def without_streams(
    values: Mapping[str, Any], context: RequestContext, name: str, packed: Packed
) -> AsyncIterator[dict[str, Any]]:
    """Values with marks in place of their streams, which can be read while the block lasts."""
    opened = {
        port: Outbox(value, context, name, packed)
        for port, value in values.items()
        if is_stream(value)
    }
    try:
        yield {**values, **{port: box.mark for port, box in opened.items()}}
    finally:
        for box in opened.values():
            box.close()
        await all_ended(opened.values(), None)


async def all_ended(boxes: Any, patience_s: float | None) -> None:
    """Returns once the streams have ended, after ``patience_s`` at the latest."""
    waiting = [asyncio.ensure_future(box.ended.wait()) for box in boxes]
    if waiting:
        _, left = await asyncio.wait(waiting, timeout=patience_s)
        for one in left:
            one.cancel()


async def every_stream_ended(patience_s: float) -> None:
    """``all_ended`` of the streams of this process that others read."""
    await all_ended(list(_outboxes.values()), patience_s)


def start(actor: object, stream: str, reader: str) -> None:
    """In the process of origin: the reader asks for the items."""
    box = _outboxes.get(stream)
    if box is not None:
        box.from_elsewhere(box.start, reader)


def stop(actor: object, stream: str) -> None:
    """In the process of origin: the reader has gone."""
    box = _outboxes.get(stream)
    if box is not None:
        box.from_elsewhere(box.close)


def deliver(actor: object, stream: str, number: int, done: bool | None, value: Any) -> None:
    """In the reader's process: an item, an error, or the end."""
    inbox = _inboxes.get(stream)
    if inbox is not None:
        inbox.put(number, (done, value))
