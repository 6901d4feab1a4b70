"""Replies whose body is made as it is sent: one chunk for each item of a stream."""

from __future__ import annotations

import logging
from collections.abc import AsyncGenerator, Callable
from typing import Any

from umbel.graph.errors import UmbelError
from umbel.nodes.item_streams import END
from umbel.nodes.request_context import RequestContext
from umbel.serving.answer_stream import AnswerStream
from umbel.serving.protocols import server_sent_events
from umbel.serving.wire import Reply

log = logging.getLogger("umbel")

Encode = Callable[[Any], bytes]


async def events(stream: AnswerStream, encode: Encode, context: RequestContext) -> Reply:
    """A reply with an event for each item as it comes. What goes wrong before the first item
    raises, and has its own status; what goes wrong later is the last event."""
    return await streamed(
        stream,
        lambda item: server_sent_events.event(encode(item)),
        lambda error: server_sent_events.error_event(error, context.id),
        dict(server_sent_events.HEADERS),
        context,
    )


async def streamed(
    stream: AnswerStream,
    chunk: Encode,
    last_words: Callable[[BaseException], bytes] | None,
    headers: dict[str, str],
    context: RequestContext,
    end: bytes = b"",
) -> Reply:
    """A reply whose body is a chunk for each item, then ``end``, or ``last_words`` for an error.
    Without those an error cuts the body short, which the client sees."""
    try:
        first = await stream.next()
        chunks = [] if first is END else [chunk(first)]
    except BaseException:
        await stream.close()
        raise

    async def body() -> AsyncGenerator[bytes, None]:
        try:
            for one in chunks:
                yield one
            while chunks and (item := await stream.next()) is not END:
                yield chunk(item)
            if end:
                yield end
        except Exception as error:
            if not isinstance(error, UmbelError):
                log.exception("the stream of request %s failed", context.id)
            if last_words is None:
                raise
            yield last_words(error)
        finally:
            await stream.close()

    return Reply(200, b"", headers, body())
