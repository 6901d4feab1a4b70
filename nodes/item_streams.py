"""Items between a node that yields and whoever reads them, across event loop and threads.

Nothing here runs ahead: an item is made when the one before it has been taken.
"""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import inspect
import logging
import threading
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterable, Iterator
from concurrent.futures import Future
from typing import Any, Final, TypeVar

from umbel.nodes.execution import Escaped, thread_pool

T = TypeVar("T")

log = logging.getLogger("umbel.nodes")

END: Final = object()
"""What stands for the end of a stream; every other value may be an item."""

Items = AsyncGenerator[Any, None]
"""A stream in the engine. Closing it closes the code that yields."""


def next_item(iterator: Iterator[Any]) -> Any:
    """The next item or ``END``."""
    return next(iterator, END)


async def from_iterable(items: Iterable[Any]) -> Items:
    """Items that are there already."""
    for item in items:
        yield item


def is_stream(value: object) -> bool:
    """Whether a value gives its items one by one."""
    return hasattr(value, "__aiter__") or inspect.isgenerator(value)


async def items_of(made: Any) -> Items:
    """The items of what code gave that yields; a plain generator runs in a thread."""
    if hasattr(made, "__aiter__"):
        async with contextlib.aclosing(made):
            async for item in made:
                yield item
        return
    loop = asyncio.get_running_loop()
    pulling: asyncio.Future[Any] | None = None
    try:
        while True:
            pulling = loop.run_in_executor(thread_pool(), next_item, made)
            item = await asyncio.shield(pulling)
            if item is END:
                return
            yield item
    finally:
        closing = loop.create_task(_close_after(pulling, made))
        _closing.add(closing)
        closing.add_done_callback(_closing.discard)


_closing: set[asyncio.Task[None]] = set()


async def _close_after(pulling: asyncio.Future[Any] | None, made: Any) -> None:
    """Close a generator once it is not at work any more. Nobody waits for that."""
    if pulling is not None:
        await asyncio.wait([pulling])
        if not pulling.cancelled():
            pulling.exception()  # seen
    try:
        await asyncio.get_running_loop().run_in_executor(thread_pool(), made.close)
    except Exception:
        log.exception("a stream failed to close")


class BlockingItems:
    """A stream as a plain iterator, for code that runs in a thread. ``close`` ends a wait."""

    def __init__(self, items: AsyncIterator[Any], loop: asyncio.AbstractEventLoop) -> None:
        self._items, self._loop = items, loop
        self._waiting: Future[Any] | None = None
        self._closed = False

    def __iter__(self) -> BlockingItems:
        return self

    def __next__(self) -> Any:
        if self._closed:
            raise StopIteration
        self._waiting = asyncio.run_coroutine_threadsafe(self._next(), self._loop)
        item = self._waiting.result()
        if item is END:
            raise StopIteration
        return item

    async def _next(self) -> Any:
        return await anext(self._items, END)

    def close(self) -> None:
        """No further items: the code that waits for one gets an error."""
        self._closed = True
        if self._waiting is not None:
            self._waiting.cancel()


async def in_own_thread(function: Callable[..., T], *args: Any) -> T:
    """``function(*args)`` in a thread of its own. Code that waits for a stream may wait long: in
    the shared threads it could keep out the very node that it waits for."""
    loop = asyncio.get_running_loop()
    future: asyncio.Future[T] = loop.create_future()
    context = contextvars.copy_context()

    def settle(result: Any, error: BaseException | None) -> None:
        if future.done():
            return
        if error is None:
            future.set_result(result)
        else:
            future.set_exception(error)

    def run() -> None:
        result: Any = None
        failure: BaseException | None = None
        try:
            result = context.run(function, *args)
        except Exception as error:
            failure = error
        except BaseException as error:  # would end the loop, not the request
            failure = Escaped(f"{type(error).__name__}: {error}")
        if isinstance(failure, StopIteration):
            failure = Escaped(f"StopIteration: {failure}")
        if not loop.is_closed():
            loop.call_soon_threadsafe(settle, result, failure)

    threading.Thread(target=run, name="umbel-stream", daemon=True).start()
    return await future
