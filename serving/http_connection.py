"""One HTTP/1.1 connection: requests in, replies out, in order.

What is here is keep-alive, pipelining, back-pressure, streamed replies, and the end of a request
whose client has gone. It calls the application directly: on the request path of a light graph,
the layers of a general server (ASGI messages, their queues and tasks) take as long as the graph.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections import deque
from collections.abc import AsyncGenerator
from typing import Protocol, cast

from umbel.serving.http_heads import WITHOUT_BODY, reply_head
from umbel.serving.http_requests import RequestReader
from umbel.serving.wire import HttpRequest, Reply

log = logging.getLogger("umbel")

PIPELINED = 8
"""Requests of one connection that may wait for their turn before reading pauses."""

HIGH_WATER = 256 * 1024
"""Bytes on their way to a client from which a stream waits for it to read on."""

_LINGER_S = 1.0
_LAST_CALL_S = 0.1


class Application(Protocol):
    """What answers requests."""

    body_limit: int

    async def answer(self, request: HttpRequest) -> Reply:
        """The reply. Raises nothing but ``CancelledError``."""

    def cancels(self, request: HttpRequest) -> bool:
        """Whether a request ends when its client goes away."""

    def refused(self, status: int, text: str) -> Reply:
        """The reply to what is no request: the error in the application's own form."""


class HttpConnection(asyncio.Protocol):
    """One client's connection. ``open_connections`` is the listener's set of them."""

    def __init__(self, app: Application, open_connections: set[HttpConnection]) -> None:
        self._app, self._others = app, open_connections
        self._reader = RequestReader(self, app.body_limit)
        self._waiting: deque[HttpRequest] = deque()
        self._task: asyncio.Task[None] | None = None
        self._current: HttpRequest | None = None
        self._writable: asyncio.Future[None] | None = None
        self._refusal: Reply | None = None
        self._closing = self._owes_continue = False
        self._unsent = (0, 0.0)
        self.last_used = 0.0
        """``time.monotonic`` of the last byte or reply."""

    # asyncio calls these.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self._loop = asyncio.get_running_loop()
        self.closed = self._loop.create_future()
        self._others.add(self)
        self.last_used = time.monotonic()
        self._transport.set_write_buffer_limits(high=HIGH_WATER)

    def connection_lost(self, error: Exception | None) -> None:
        self._others.discard(self)
        self.closed.set_result(None)
        self._waiting.clear()
        self._closing = True
        self.resume_writing()
        task, request = self._task, self._current
        if task is not None and request is not None and self._app.cancels(request):
            task.cancel()

    def data_received(self, data: bytes) -> None:
        if self._refusal is None:
            self.last_used = now = time.monotonic()
            self._reader.feed(data, now)

    def pause_writing(self) -> None:
        if self._writable is None:
            self._writable = self._loop.create_future()

    def resume_writing(self) -> None:
        future, self._writable = self._writable, None
        if future is not None and not future.done():
            future.set_result(None)

    # The reader calls these.

    def arrived(self, request: HttpRequest) -> None:
        self._owes_continue = False
        if self._task is None:
            self._begin(request)
            return
        self._waiting.append(request)
        if len(self._waiting) >= PIPELINED:
            self._transport.pause_reading()

    def expects_continue(self) -> None:
        self._owes_continue = True
        if self._task is None:
            self._send_continue()

    def refuse(self, status: int, text: str) -> None:
        """An error for what is no request, then the end of the connection. It comes after the
        replies that are owed to earlier requests."""
        if self._refusal is None:
            self._refusal = self._app.refused(status, text)
            if self._task is None:
                self._send_refusal(self._refusal)

    # The listener calls these.

    @property
    def is_idle(self) -> bool:
        """No request is being answered or waits."""
        return self._task is None

    def end(self) -> None:
        """Close once the request that is being answered, or arrives, has its reply. An idle
        connection is left open for a moment: a request may be on its way on it."""
        self._closing = True
        if self._task is None:
            self._loop.call_later(_LAST_CALL_S, self._end_if_idle)

    def abort(self) -> None:
        """Close at once, whatever is being answered."""
        self._transport.abort()

    def keeps_waiting(self, now: float, longest_s: float, slowest: float) -> bool:
        """The client sends its request too slowly: nothing for ``longest_s``, or on the whole
        less than ``slowest`` bytes a second after that time. What stands behind a request that
        is being answered may wait."""
        reader = self._reader
        if self._task is not None or not reader.is_receiving:
            return False
        patience_s = longest_s + reader.size / slowest
        return now - self.last_used > longest_s or now - reader.began > patience_s

    def does_not_read(self, now: float, longest_s: float) -> bool:
        """The client has taken nothing of what is on its way to it for ``longest_s``. To be
        asked again and again."""
        size = self._transport.get_write_buffer_size()
        if not size or size != self._unsent[0]:
            self._unsent = (size, now)
        return now - self._unsent[1] > longest_s

    # The request's own way.

    def _begin(self, request: HttpRequest) -> None:
        self._current = request
        self._task = self._loop.create_task(self._serve(request))

    async def _serve(self, request: HttpRequest) -> None:
        try:
            reply = await self._app.answer(request)
            if self._writable is not None:
                await self._writable
            if self._transport.is_closing():
                if reply.stream is not None:
                    await reply.stream.aclose()
                return
            keep = request.keep_alive and not self._closing
            if reply.stream is None:
                empty = request.method == "HEAD" or reply.status in WITHOUT_BODY
                head = reply_head(reply, request, keep, len(reply.body))
                self._write(head, b"" if empty else reply.body)
            else:
                async with contextlib.aclosing(reply.stream) as stream:
                    keep = await self._send_stream(reply, stream, request, keep)
        except asyncio.CancelledError:
            self._transport.abort()
            raise
        except Exception:
            log.exception("a reply could not be sent")
            self._transport.abort()
        else:
            self._next(keep)
        finally:
            self._task = self._current = None
            if not self._transport.is_closing():
                self._go_on()

    def _next(self, keep: bool) -> None:
        self.last_used = self._reader.began = time.monotonic()
        if not keep:
            self._waiting.clear()
            self._transport.close()
        elif len(self._waiting) <= PIPELINED // 2 and not self._transport.is_reading():
            self._transport.resume_reading()

    def _go_on(self) -> None:
        if self._waiting:
            self._begin(self._waiting.popleft())
        elif self._refusal is not None:
            self._send_refusal(self._refusal)
        elif self._owes_continue:
            self._send_continue()

    def _write(self, head: bytes, body: bytes) -> None:
        if len(body) < HIGH_WATER:
            self._transport.write(head + body)
        else:
            self._transport.write(head)
            self._transport.write(body)

    async def _send_stream(
        self, reply: Reply, stream: AsyncGenerator[bytes, None], request: HttpRequest, keep: bool
    ) -> bool:
        """Chunk by chunk as they come, no faster than the client reads. A stream that fails
        ends the connection without its last chunk: the client knows that it is cut short."""
        chunked = not request.http_1_0
        keep = keep and chunked
        self._transport.write(reply_head(reply, request, keep, None))
        if request.method == "HEAD" or reply.status in WITHOUT_BODY:
            return keep
        async for part in stream:
            if not part:
                continue
            self._transport.write(b"%x\r\n%b\r\n" % (len(part), part) if chunked else part)
            if self._writable is not None:
                await self._writable
            if self._transport.is_closing():
                return False
        if chunked:
            self._transport.write(b"0\r\n\r\n")
        return keep

    def _send_continue(self) -> None:
        self._owes_continue = False
        self._transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")

    def _send_refusal(self, reply: Reply) -> None:
        """What the client still sends is read for a while: closing on unread bytes resets the
        connection, and takes the error with it."""
        if self._transport.is_closing():
            return
        request = HttpRequest("POST", "", "", ())
        self._write(reply_head(reply, request, False, len(reply.body)), reply.body)
        self._closing = True
        if self._transport.can_write_eof():
            self._transport.write_eof()
        self._loop.call_later(_LINGER_S, self._transport.close)

    def _end_if_idle(self) -> None:
        if self._task is None and not self._reader.is_receiving:
            self._transport.close()
