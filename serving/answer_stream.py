"""The items of a run on their way to a client, whatever carries them.

The engine's streams know no request: here each item is made in the request's context and
within its deadline.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncGenerator, Callable
from typing import Any

from umbel.graph.errors import DeadlineExceeded
from umbel.nodes.item_streams import END, Items
from umbel.nodes.request_context import RequestContext, enter, leave
from umbel.serving.wire import Reply


class AnswerStream:
    """The items of one run. Whoever has it closes it."""

    def __init__(self, items: Items, context: RequestContext, name: str) -> None:
        self._items, self._context, self._name = items, context, name

    async def next(self) -> Any:
        """The next item, or ``END``. Raises ``DeadlineExceeded``, and what a step raised."""
        token = enter(self._context)
        try:
            remaining = self._context.remaining()
            if remaining is None:
                return await anext(self._items, END)
            return await asyncio.wait_for(anext(self._items, END), max(remaining, 0))
        except asyncio.TimeoutError as error:
            await self.close()
            raise DeadlineExceeded(f"the deadline passed while {self._name!r} answered") from error
        finally:
            leave(token)

    async def rest(self) -> list[Any]:
        """All further items, for a client that takes them whole."""
        found = []
        try:
            while (item := await self.next()) is not END:
                found.append(item)
        finally:
            await self.close()
        return found

    async def close(self) -> None:
        """End the code that yields."""
        token = enter(self._context)
        try:
            await self._items.aclose()
        finally:
            leave(token)


async def joined(reply: Reply) -> Reply:
    """The reply with its stream as its body, for a caller that takes it whole."""
    if reply.stream is None:
        return reply
    async with contextlib.aclosing(reply.stream) as stream:
        body = b"".join([part async for part in stream])
    return reply._replace(body=body, stream=None)


async def watched(
    stream: AsyncGenerator[bytes, None], ended: Callable[[bool], None]
) -> AsyncGenerator[bytes, None]:
    """The stream; ``ended`` is told at its end whether the client took all of it."""
    complete = False
    try:
        async with contextlib.aclosing(stream):
            async for part in stream:
                yield part
        complete = True
    finally:
        ended(complete)
