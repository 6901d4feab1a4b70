"""One HTTP/1.1 connection: requests in, replies out, in order.

Parsing is httptools' (Node's llhttp). What is here is what a server adds: keep-alive,
pipelining, limits, back-pressure, streamed replies, and the end of a request whose client has
gone. It calls the application directly: on the request path of a light graph, the layers of a
general server (ASGI messages, their queues and tasks) take as long as the graph.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections import deque
from collections.abc import AsyncGenerator
from typing import Protocol, cast

import httptools

from umbel.serving.http_heads import reply_head, split_target
from umbel.serving.wire import HttpRequest, Reply

log = logging.getLogger("umbel")

LARGEST_HEAD = 64 * 1024
"""Bytes of a request line with its headers; from the read on that goes over it, 431."""

PIPELINED = 8
"""Requests of one connection that may wait for their turn before reading pauses."""

HIGH_WATER = 256 * 1024
"""Bytes on their way to a client from which a stream waits for it to read on."""

_LINGER_S = 1.0


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
        self._parser = httptools.HttpRequestParser(self)
        self._waiting: deque[HttpRequest] = deque()
        self._task: asyncio.Task[None] | None = None
        self._current: HttpRequest | None = None
        self._writable: asyncio.Future[None] | None = None
        self._url, self._headers, self._body = b"", [], []  # type: ignore[var-annotated]
        self._head_size = self._body_size = 0
        self._in_head, self._head_ended = True, False
        self._receiving = self._refused = self._closing = False
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
        if self._refused:
            return
        self.last_used = time.monotonic()
        self._head_ended, in_head = False, self._in_head  # a body may end in this very read
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserUpgrade:
            self._closing = True  # what follows is no HTTP/1.1; the request itself is answered
        except httptools.HttpParserError as error:
            self._refuse(400, f"this is not HTTP/1.1: {error}")
        self._head_size += len(data) if in_head and not self._head_ended else 0
        if self._head_size > LARGEST_HEAD:
            self._refuse(431, f"the headers have more than {LARGEST_HEAD} bytes")

    def pause_writing(self) -> None:
        if self._writable is None:
            self._writable = self._loop.create_future()

    def resume_writing(self) -> None:
        future, self._writable = self._writable, None
        if future is not None and not future.done():
            future.set_result(None)

    # httptools calls these.

    def on_message_begin(self) -> None:
        self._url, self._headers, self._body = b"", [], []
        self._body_size, self._receiving = 0, True

    def on_url(self, url: bytes) -> None:
        self._url += url

    def on_header(self, name: bytes, value: bytes) -> None:
        self._headers.append((name.lower().decode("latin-1"), value.decode("latin-1")))

    def on_headers_complete(self) -> None:
        self._in_head, self._head_ended, self._head_size = False, True, 0
        if self._refused:
            return
        for name, value in self._headers:
            if name == "content-length" and int(value) > self._app.body_limit:
                limit = self._app.body_limit
                self._refuse(413, f"the body has {value} bytes, the limit is {limit}")
                return
            if name == "expect" and value.lower() == "100-continue":
                self._transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")

    def on_body(self, part: bytes) -> None:
        if self._refused:
            return
        self._body_size += len(part)
        if self._body_size > self._app.body_limit:
            limit = self._app.body_limit
            self._refuse(413, f"the body has more than the limit of {limit} bytes")
        else:
            self._body.append(part)

    def on_message_complete(self) -> None:
        self._in_head, self._receiving = True, False
        if self._refused:
            return
        body = self._body[0] if len(self._body) == 1 else b"".join(self._body)
        path, query = split_target(self._url)
        method = self._parser.get_method().decode("latin-1")
        request = HttpRequest(method, path, query, tuple(self._headers), body)
        request.keep_alive = self._parser.should_keep_alive()
        request.http_1_0 = self._parser.get_http_version() == "1.0"
        self._body = []
        if self._task is None:
            self._begin(request)
            return
        self._waiting.append(request)
        if len(self._waiting) >= PIPELINED:
            self._transport.pause_reading()

    # The listener calls these.

    @property
    def is_idle(self) -> bool:
        """No request is being answered or waits."""
        return self._task is None

    @property
    def is_receiving(self) -> bool:
        """A request has begun to arrive and is not complete."""
        return self._receiving

    def end(self) -> None:
        """Close once the request that is being answered, or arrives, has its reply."""
        self._closing = True
        if self._task is None and not self.is_receiving:
            self._transport.close()

    def abort(self) -> None:
        """Close at once, whatever is being answered."""
        self._transport.abort()

    def time_out(self) -> None:
        """The client takes too long to send its request."""
        self._refuse(408, "the request did not arrive in time")

    # The request's own way.

    def _begin(self, request: HttpRequest) -> None:
        self._current = request
        self._task = self._loop.create_task(self._serve(request))

    async def _serve(self, request: HttpRequest) -> None:
        try:
            reply = await self._app.answer(request)
            if self._writable is not None:
                await self._writable
            if self._refused or self._transport.is_closing():
                if reply.stream is not None:
                    await reply.stream.aclose()
                return
            keep = request.keep_alive and not self._closing
            if reply.stream is None:
                body = b"" if request.method == "HEAD" else reply.body
                self._write(reply_head(reply, request, keep, len(reply.body)), body)
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
            if self._waiting and not self._transport.is_closing():
                self._begin(self._waiting.popleft())

    def _next(self, keep: bool) -> None:
        self.last_used = time.monotonic()
        if not keep:
            self._waiting.clear()
            self._transport.close()
        elif len(self._waiting) <= PIPELINED // 2 and not self._transport.is_reading():
            self._transport.resume_reading()

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
        if request.method == "HEAD":
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

    def _refuse(self, status: int, text: str) -> None:
        """An error for what is no request, then the end of the connection. Replies that are
        owed to earlier requests are not waited for. What the client still sends is read for a
        while: closing on unread bytes resets the connection, and takes the error with it."""
        if self._refused or self._transport.is_closing():
            return
        self._refused = True
        reply = self._app.refused(status, text)
        request = HttpRequest("POST", "", "", ())
        self._write(reply_head(reply, request, False, len(reply.body)), reply.body)
        self._waiting.clear()
        self._closing = True
        if self._transport.can_write_eof():
            self._transport.write_eof()
        self._loop.call_later(_LINGER_S, self._transport.close)
