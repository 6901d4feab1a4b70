"""The application: HTTP in front of endpoints, one dispatch by the first path segment.

Without a framework: the request path of a light graph is a fraction of a millisecond, and a
router with its request objects would be a good part of it.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterable
from functools import partial
from typing import Protocol

from umbel.graph.errors import NotFound
from umbel.nodes.request_context import RequestContext
from umbel.serving.answer_stream import watched
from umbel.serving.asgi import Message, Receive, Send, answer_asgi
from umbel.serving.endpoint import Endpoint, json_reply
from umbel.serving.metrics import Metrics
from umbel.serving.openai_paths import answer_root
from umbel.serving.pool_endpoint import AnyEndpoint
from umbel.serving.protocols.error_bodies import error_reply
from umbel.serving.wire import HttpRequest, Reply, WireRequest

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

    def get(self, name: str) -> AnyEndpoint | None:
        """The endpoint called ``name``."""

    def names(self) -> Iterable[str]:
        """All names, for errors and for ``GET /``."""

    @property
    def metrics(self) -> Metrics:
        """Where requests are counted."""

    async def metrics_text(self) -> bytes:
        """What was counted, for ``GET /NAME/metrics``."""


class HttpApp:
    """``/NAME/...`` for each graph, ``/`` for the list of graphs. Called by the HTTP server of
    this process (``answer``), or as an ASGI application where another server stands in front."""

    def __init__(
        self,
        endpoints: Endpoints,
        *,
        body_limit: int = DEFAULT_BODY_LIMIT,
        inner_path: Callable[[str], str] = str,
    ) -> None:
        """``inner_path`` turns the path of a request into ``/NAME/...``, where it is another."""
        self.endpoints, self.body_limit = endpoints, body_limit
        self._inner_path = inner_path

    async def answer(self, request: HttpRequest) -> Reply:
        """The reply, all headers but those of the connection included. Raises nothing but
        ``CancelledError``, once the request has been counted."""
        context, headers = request_context(request.headers)
        name, path = _split(self._inner_path(request.path))
        try:
            endpoint = self.endpoints.get(name)
            if endpoint is None and name == "openai":
                reply = await self._openai(
                    WireRequest(request.method, f"/{name}{path}", request.body, headers, context)
                )
            elif endpoint is None:
                reply = self._elsewhere(name, request.method)
            else:
                reply = await self._answer(
                    endpoint,
                    WireRequest(
                        request.method, path, request.body, headers, context, request.query
                    ),
                )
        except NotFound as error:
            reply = Reply(*error_reply(error, context.id))
        except asyncio.CancelledError:
            self.endpoints.metrics.record(name, CLIENT_GONE, 0.0, context)
            raise
        out = {**reply.headers, "x-request-id": context.id, **context.response_headers}
        if PATH_HEADER in headers:
            out[PATH_HEADER] = path_text(context)
        return reply._replace(headers=out)

    def cancels(self, request: HttpRequest) -> bool:
        """KServe's router carries on to the end when its client leaves; nothing else does."""
        endpoint = self.endpoints.get(_split(self._inner_path(request.path))[0])
        return endpoint is None or not endpoint.is_router

    def refused(self, status: int, text: str) -> Reply:
        """The reply to what is no request."""
        return json_reply({"error": text}, status)

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        await answer_asgi(self, scope, receive, send)

    async def _answer(self, endpoint: AnyEndpoint, request: WireRequest) -> Reply:
        if request.path == "/metrics" and request.method == "GET":
            return Reply(200, await self.endpoints.metrics_text(), dict(PROMETHEUS))
        start = time.perf_counter()
        reply = await endpoint.handle(request)
        if reply.stream is not None:
            return self._watched(reply, endpoint.name, start, request.context)
        seconds = time.perf_counter() - start
        self.endpoints.metrics.record(endpoint.name, reply.status, seconds, request.context)
        return reply

    def _watched(self, reply: Reply, name: str, start: float, context: RequestContext) -> Reply:
        """The reply, counted when its stream has ended."""

        def ended(complete: bool) -> None:
            status, seconds = reply.status if complete else CLIENT_GONE, time.perf_counter() - start
            self.endpoints.metrics.record(name, status, seconds, context)

        return reply._replace(stream=reply.stream and watched(reply.stream, ended))

    async def _openai(self, request: WireRequest) -> Reply:
        answers: dict[str, Callable[[WireRequest], Awaitable[Reply]]] = {}
        for name in self.endpoints.names():
            endpoint = self.endpoints.get(name)
            if isinstance(endpoint, Endpoint) and endpoint.openai.offered:
                answers[endpoint.model] = partial(self._answer, endpoint)
        return await answer_root(answers, request)

    def _elsewhere(self, name: str, method: str) -> Reply:
        if not name and method in ("GET", "HEAD"):
            return json_reply({"status": "alive", "graphs": sorted(self.endpoints.names())})
        if name == "-" or (name == "" and method == "OPTIONS"):
            return json_reply({"status": "alive"})
        served = ", ".join(sorted(self.endpoints.names())) or "none"
        raise NotFound(f"there is no graph {name!r} here; served: {served}")


def _split(path: str) -> tuple[str, str]:
    name, slash, rest = path.lstrip("/").partition("/")
    return name, slash + rest


def request_context(pairs: tuple[tuple[str, str], ...]) -> tuple[RequestContext, dict[str, str]]:
    """The context that a request's headers ask for, and the headers by name."""
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
