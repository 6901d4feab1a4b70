"""The application behind somebody else's server: ASGI's messages to whole requests and back."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, MutableMapping
from contextlib import aclosing
from typing import Any

from umbel.serving.disconnects import ClientGone, DisconnectWatch
from umbel.serving.http_connection import Application
from umbel.serving.http_heads import WITHOUT_BODY
from umbel.serving.wire import HttpRequest, Reply

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]


class _TooLarge(Exception):
    """The body is over the limit."""


async def answer_asgi(app: Application, scope: Message, receive: Receive, send: Send) -> None:
    """What an ASGI server asks of ``app``: its ``__call__``. A WebSocket is turned away."""
    if scope["type"] == "http":
        await _answer_http(app, scope, receive, send)
    elif scope["type"] == "lifespan":
        await _answer_lifespan(receive, send)
    else:
        await send({"type": "websocket.close", "code": 1003})


async def _answer_http(app: Application, scope: Message, receive: Receive, send: Send) -> None:
    """One request. A client that leaves cancels it, where the application says so."""
    pairs = tuple((n.decode("latin-1"), v.decode("latin-1")) for n, v in scope["headers"])
    query = scope.get("query_string", b"").decode("latin-1")
    request = HttpRequest(scope["method"], scope["path"], query, pairs)
    try:
        request.body = await _body(app.body_limit, dict(pairs), receive)
        with DisconnectWatch(receive, cancels=app.cancels(request)) as client:
            await _send(await app.answer(request), request, send)
        if client.gone:
            return
    except ClientGone:
        return
    except _TooLarge:
        text = f"the body has more than the limit of {app.body_limit} bytes"
        await _send(app.refused(413, text), request, send)


async def _answer_lifespan(receive: Receive, send: Send) -> None:
    """Start-up and shutdown are somebody else's: both are answered at once."""
    while True:
        message = await receive()
        await send({"type": f"{message['type']}.complete"})
        if message["type"] == "lifespan.shutdown":
            return


async def _body(limit: int, headers: dict[str, str], receive: Receive) -> bytes:
    length = headers.get("content-length", "")
    if length.isdigit() and int(length) > limit:
        raise _TooLarge
    chunks, size, more = [], 0, True
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise ClientGone  # half a body is no request
        chunks.append(message.get("body", b""))
        size += len(chunks[-1])
        if size > limit:
            raise _TooLarge
        more = message.get("more_body", False)
    return b"".join(chunks)


async def _send(reply: Reply, request: HttpRequest, send: Send) -> None:
    raw = [(n.encode("latin-1"), v.encode("latin-1", "replace")) for n, v in reply.headers.items()]
    empty = request.method == "HEAD" or reply.status in WITHOUT_BODY
    if reply.stream is None and reply.status not in WITHOUT_BODY:
        raw.append((b"content-length", str(len(reply.body)).encode()))
    status = reply.status if 200 <= reply.status < 600 else 502  # servers know no others
    await send({"type": "http.response.start", "status": status, "headers": raw})
    if reply.stream is not None and not empty:
        async with aclosing(reply.stream) as stream:
            async for part in stream:
                await send({"type": "http.response.body", "body": part, "more_body": True})
    whole = reply.stream is None and not empty
    await send({"type": "http.response.body", "body": reply.body if whole else b""})
