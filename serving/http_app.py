"""The ASGI application: HTTP in front of endpoints, one dispatch by the first path segment.

Written against ASGI itself: the request path of a light graph is a fraction of a millisecond,
and a framework's router and request objects would be a good part of it.
"""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Iterable, MutableMapping
from typing import Any, Protocol

from umbel.graph.errors import BodyTooLarge, NotFound
from umbel.nodes.request_context import RequestContext
from umbel.serving.disconnects import ClientGone, DisconnectWatch
from umbel.serving.endpoint import Endpoint, json_reply
from umbel.serving.metrics import Metrics
from umbel.serving.protocols.error_bodies import error_reply
from umbel.serving.wire import Reply, WireRequest

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]

DEFAULT_BODY_LIMIT = 64 * 1024 * 1024
"""Bytes. A request body over it is refused with 413 before it is held in memory."""

CLIENT_GONE = 499
"""The status under which a request is counted whose client did not wait for the answer."""

PROMETHEUS = {"content-type": "text/plain; version=0.0.4; charset=utf-8"}

LONGEST_PATH = 4000
"""Characters of the path header; proxies refuse headers of about 8,000."""

PATH_HEADER = "umbel-path"
"""A request that carries it is told in the same header which steps ran."""


class Endpoints(Protocol):
    """What the application serves; it may change while it runs."""

    def get(self, name: str) -> Endpoint | None:
        """The endpoint called ``name``."""

    def names(self) -> Iterable[str]:
        """All names, for errors and for ``GET /``."""

    @property
    def metrics(self) -> Metrics:
        """Where requests are counted."""

    def metrics_text(self) -> bytes:
        """What was counted, for ``GET /NAME/metrics``."""


class HttpApp:
    """``/NAME/...`` for each graph, ``/`` for the list of graphs."""

    def __init__(
        self,
        endpoints: Endpoints,
        *,
        body_limit: int = DEFAULT_BODY_LIMIT,
        names_requests: bool = True,
    ) -> None:
        """``names_requests`` is false where the server in front answers ``x-request-id``."""
        self.endpoints, self.body_limit = endpoints, body_limit
        self.names_requests = names_requests

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            await self._http(scope, receive, send)
        elif scope["type"] == "lifespan":
            await _lifespan(receive, send)
        else:
            await send({"type": "websocket.close", "code": 1003})

    async def _http(self, scope: Message, receive: Receive, send: Send) -> None:
        context, headers = _context(scope)
        name, path = _split(scope["path"])
        try:
            endpoint = self.endpoints.get(name)
            if endpoint is None:
                reply = self._elsewhere(name, scope["method"])
            else:
                body = await self._body(headers, receive)
                request = WireRequest(scope["method"], path, body, headers, context)
                with DisconnectWatch(receive, cancels=not endpoint.is_router) as client:
                    reply = await self._answer(endpoint, request)
                if client.gone:
                    self.endpoints.metrics.record(name, CLIENT_GONE, 0.0, context)
                    return
        except ClientGone:
            self.endpoints.metrics.record(name, CLIENT_GONE, 0.0, context)
            return
        except (NotFound, BodyTooLarge) as error:
            reply = Reply(*error_reply(error, context.id))
        await self._send(reply, context, headers, scope["method"], send)

    async def _answer(self, endpoint: Endpoint, request: WireRequest) -> Reply:
        if request.path == "/metrics" and request.method == "GET":
            return Reply(200, self.endpoints.metrics_text(), dict(PROMETHEUS))
        start = time.perf_counter()
        reply = await endpoint.handle(request)
        seconds = time.perf_counter() - start
        self.endpoints.metrics.record(endpoint.name, reply.status, seconds, request.context)
        return reply

    def _elsewhere(self, name: str, method: str) -> Reply:
        if not name and method in ("GET", "HEAD"):
            return json_reply({"status": "alive", "graphs": sorted(self.endpoints.names())})
        if name == "-" or (name == "" and method == "OPTIONS"):
            return json_reply({"status": "alive"})
        served = ", ".join(sorted(self.endpoints.names())) or "none"
        raise NotFound(f"there is no graph {name!r} here; served: {served}")

    async def _body(self, headers: dict[str, str], receive: Receive) -> bytes:
        length = headers.get("content-length", "")
        if length.isdigit() and int(length) > self.body_limit:
            raise BodyTooLarge(f"the body has {length} bytes, the limit is {self.body_limit}")
        message = await _part(receive)
        if not message.get("more_body"):
            body: bytes = message.get("body", b"")
            self._limited(len(body))
            return body
        chunks, size = [message.get("body", b"")], len(message.get("body", b""))
        while message.get("more_body"):
            self._limited(size)
            message = await _part(receive)
            chunks.append(message.get("body", b""))
            size += len(chunks[-1])
        self._limited(size)
        return b"".join(chunks)

    def _limited(self, size: int) -> None:
        if size > self.body_limit:
            raise BodyTooLarge(f"the body has more than the limit of {self.body_limit} bytes")

    async def _send(
        self,
        reply: Reply,
        context: RequestContext,
        headers: dict[str, str],
        method: str,
        send: Send,
    ) -> None:
        out = {**reply.headers, "x-request-id": context.id, **context.response_headers}
        if not self.names_requests:
            del out["x-request-id"]
        if PATH_HEADER in headers:
            out[PATH_HEADER] = path_text(context)
        raw = [(n.encode("latin-1"), v.encode("latin-1", "replace")) for n, v in out.items()]
        raw.append((b"content-length", str(len(reply.body)).encode()))
        status = reply.status if 200 <= reply.status < 600 else 502  # servers know no others
        await send({"type": "http.response.start", "status": status, "headers": raw})
        body = b"" if method == "HEAD" else reply.body
        await send({"type": "http.response.body", "body": body})


async def _part(receive: Receive) -> Message:
    """The next part of a body. Half a body is no request: raises ``ClientGone``."""
    message = await receive()
    if message["type"] == "http.disconnect":
        raise ClientGone
    return message


def _split(path: str) -> tuple[str, str]:
    name, slash, rest = path.lstrip("/").partition("/")
    return name, slash + rest


def _context(scope: Message) -> tuple[RequestContext, dict[str, str]]:
    pairs = tuple((n.decode("latin-1"), v.decode("latin-1")) for n, v in scope["headers"])
    headers = dict(pairs)
    context = RequestContext(headers=headers, header_list=pairs)
    asked = headers.get("x-request-id")
    if asked:
        context.id = asked[:200]
    timeout = headers.get("x-request-timeout-seconds")
    if timeout:
        try:
            context.deadline = time.monotonic() + max(0.0, float(timeout))
        except ValueError:
            context.deadline = None
    return context, headers


def path_text(context: RequestContext) -> str:
    """The steps that ran, in order, and the branches taken: ``scale > net; switch=sure``."""
    steps = " > ".join(context.path)
    branches = ", ".join(f"{step}={branch}" for step, branch in context.branches.items())
    text = f"{steps}; {branches}" if branches else steps
    return text if len(text) <= LONGEST_PATH else f"{text[:LONGEST_PATH]} ..."


async def _lifespan(receive: Receive, send: Send) -> None:
    while True:
        message = await receive()
        await send({"type": f"{message['type']}.complete"})
        if message["type"] == "lifespan.shutdown":
            return
