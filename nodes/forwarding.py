"""A server of its own behind a graph: requests go on to it as they came, replies come back so.

A `Message` is a document of the graph's own making and goes to the model's path. An `HttpCall`
is a client's request: method, path, query, headers and body stay what they are, and so do the
reply's status, headers and body, streams included.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

import aiohttp
import orjson
from yarl import URL

from umbel.graph.errors import DeadlineExceeded, DeclarationError, NotReady, RequestFailed
from umbel.graph.implementations import HttpServer
from umbel.nodes.messages import Message
from umbel.nodes.remote_failures import reason, url_fault
from umbel.nodes.request_context import RequestContext, current_request

KEPT_OPEN_S = 1.5
"""How long an idle connection is kept. Servers close theirs after 2 s (gunicorn) or 5 s
(uvicorn); a request on one that is just being closed would fail."""

_OF_ONE_HOP = frozenset(
    ("connection", "content-length", "expect", "host", "keep-alive", "proxy-authenticate",
     "proxy-authorization", "proxy-connection", "te", "trailer", "transfer-encoding", "upgrade")
)  # fmt: skip

_OF_THE_BODY = ("accept", "content-")
"""Beginnings of headers that describe the client's own body or the answer it wants: not those
of a document that the graph made of it."""

_LINE = 64 * 1024
"""Bytes of a reply's header line that are read."""


@dataclass(frozen=True, slots=True)
class HttpCall:
    """A client's request. ``path`` starts with ``/`` and has its escapes read, ``query`` has
    not; ``headers`` have lower-case names."""

    method: str
    path: str
    query: str = ""
    headers: tuple[tuple[str, str], ...] = ()
    body: bytes = b""


@dataclass(frozen=True, slots=True)
class HttpAnswer:
    """The reply. With ``stream`` the body is what it yields; whoever has it closes it.
    ``headers`` have lower-case names and none of one connection's."""

    status: int
    headers: dict[str, str]
    body: bytes = b""
    stream: AsyncGenerator[bytes, None] | None = None


class Forwarder:
    """One server. Any status is an answer; only no answer at all is an error."""

    def __init__(self, server: HttpServer) -> None:
        """Raises DeclarationError where no request can be made to ``server.url``."""
        fault = url_fault(server.url)
        if fault:
            raise DeclarationError(fault)
        self._server, self._base = server, server.url.rstrip("/")
        self._session: aiohttp.ClientSession | None = None

    async def answer(self, request: Message | HttpCall) -> Message | HttpAnswer:
        """The server's reply, of the kind of the request. Raises NotReady where nobody listens,
        RequestFailed where the connection broke, DeadlineExceeded when time is up."""
        if isinstance(request, HttpCall):
            return await self._forwarded(request)
        headers = [
            (name, value)
            for name, value in _passing(current_request().header_list)
            if not name.startswith(_OF_THE_BODY)
        ]
        call = HttpCall(
            "POST",
            document_path(request.body, self._server.model),
            "",
            (*headers, ("content-type", request.content_type), ("accept-encoding", "identity")),
            request.body,
        )
        reply = await self._forwarded(call, whole=True)
        return Message(reply.body, reply.status, reply.headers.get("content-type", ""))

    async def _forwarded(self, call: HttpCall, *, whole: bool = False) -> HttpAnswer:
        path = quote(call.path, safe="/:@!$&'()*+,;=~-._") if call.path else "/"
        url = f"{self._base}{path}" + (f"?{call.query}" if call.query else "")
        reply: aiohttp.ClientResponse | None = None
        try:
            reply = await self._open().request(
                call.method,
                URL(url, encoded=True),
                data=call.body or None,
                headers=_passing(call.headers),
                timeout=self._timeout(current_request()),
                allow_redirects=False,
            )
            headers = _answered(reply)
            if not whole and reply.content_length is None and not reply.content.at_eof():
                return HttpAnswer(reply.status, headers, stream=_pieces(reply, url))
            return HttpAnswer(reply.status, headers, await reply.read())
        except (asyncio.TimeoutError, aiohttp.ClientError, ValueError, OSError) as error:
            raise _failure(url, error) from error
        except asyncio.CancelledError:
            if reply is not None:
                reply.close()
            raise

    def _timeout(self, context: RequestContext) -> aiohttp.ClientTimeout:
        limits = [t for t in (self._server.timeout_s, context.remaining()) if t is not None]
        total = max(0.001, min(limits)) if limits else None
        return aiohttp.ClientTimeout(total=total, sock_connect=10)

    def _open(self) -> aiohttp.ClientSession:
        """The session, opened at the first call. It keeps no cookies and unpacks nothing."""
        if self._session is None:
            self._session = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(limit=0, keepalive_timeout=KEPT_OPEN_S),
                cookie_jar=aiohttp.DummyCookieJar(),
                auto_decompress=False,
                skip_auto_headers=("Accept", "Accept-Encoding", "User-Agent", "Content-Type"),
                max_line_size=_LINE,
                max_field_size=_LINE,
            )
        return self._session

    async def close(self) -> None:
        """Close idle connections."""
        if self._session is not None:
            await self._session.close()


def document_path(body: bytes, model: str) -> str:
    """The path of a model that takes this document: V2 where its inputs are V2 tensors."""
    try:
        document: Any = orjson.loads(body)
    except ValueError:
        document = None
    inputs = document.get("inputs") if isinstance(document, dict) else None
    tensors = isinstance(inputs, list) and bool(inputs)
    if tensors and all(isinstance(one, dict) and "datatype" in one for one in inputs or ()):
        return f"/v2/models/{model}/infer"
    return f"/v1/models/{model}:predict"


def _passing(headers: Sequence[tuple[str, str]]) -> list[tuple[str, str]]:
    """The headers but those of one connection, and those that ``connection`` names as such."""
    named = ",".join(value for name, value in headers if name == "connection")
    own = _OF_ONE_HOP | {name.strip().lower() for name in named.split(",")}
    return [(name, value) for name, value in headers if name not in own]


def _answered(reply: aiohttp.ClientResponse) -> dict[str, str]:
    found: dict[str, str] = {}
    for name, value in _passing([(k.lower(), v) for k, v in reply.headers.items()]):
        both = name in found and name != "set-cookie"  # which has no joined form
        found[name] = f"{found[name]}, {value}" if both else value
    return found


async def _pieces(reply: aiohttp.ClientResponse, url: str) -> AsyncGenerator[bytes, None]:
    try:
        async for piece in reply.content.iter_any():
            yield piece
    except (asyncio.TimeoutError, aiohttp.ClientError, OSError) as error:
        raise _failure(url, error) from error
    finally:
        reply.close()


def _failure(url: str, error: Exception) -> Exception:
    if isinstance(error, aiohttp.ClientConnectorError | aiohttp.ConnectionTimeoutError):
        return NotReady(f"the server behind this graph does not answer: {reason(url, error)}")
    if isinstance(error, asyncio.TimeoutError):
        return DeadlineExceeded(f"no answer from {url} in time")
    return RequestFailed(f"the server behind this graph gave no answer: {reason(url, error)}")
