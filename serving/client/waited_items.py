"""An async generator on a client's loop, read by code that waits."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Generator
from typing import Any, Generic, TypeVar

from umbel.serving.loop_thread import LoopThread

T = TypeVar("T")

_END: Any = object()


def waited(items: AsyncGenerator[T, None], loop: LoopThread) -> Generator[T, None, None]:
    """The same items. Closing it closes ``items``, and waits for that."""
    reading = _Reading(items)
    try:
        while True:
            if loop.closed:
                raise RuntimeError("this InferenceClient is closed")
            future = loop.submit(reading.next())
            try:
                item = future.result()
            except BaseException:
                future.cancel()  # Ctrl-C while waiting; nothing for a stream that failed
                raise
            if item is _END:
                return
            yield item
    finally:
        if not loop.closed:
            closing = loop.submit(reading.close())
            if not loop.inside:  # the collector may close it on any thread
                closing.result()


class _Reading(Generic[T]):
    def __init__(self, items: AsyncGenerator[T, None]) -> None:
        self._items = items
        self._task: asyncio.Task[Any] | None = None

    async def next(self) -> T:
        self._task = asyncio.current_task()
        return await anext(self._items, _END)

    async def close(self) -> None:
        if self._task is not None and not self._task.done():
            self._task.cancel()
            await asyncio.wait([self._task])
        await self._items.aclose()
