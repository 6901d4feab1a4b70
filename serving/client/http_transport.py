"""Requests over HTTP with retries and a deadline that travels along."""

from __future__ import annotations

import asyncio
import contextlib
import email.utils
import os
import ssl
import time
import urllib.request
import warnings
from collections.abc import AsyncIterator, Iterator, Mapping
from typing import Any
from urllib.parse import quote, urlsplit

import aiohttp

from umbel.graph.errors import DeclarationError, RequestFailed
from umbel.graph.options import Retry
from umbel.serving.client.attempts import Deadline, Unanswered, attempts
from umbel.serving.client.http_replies import Reply, beginning, named, refusal, whole
from umbel.serving.client.request_headers import RequestHeaders
from umbel.serving.protocols.payload import InferRequest, InferResponse
from umbel.serving.protocols.v2 import Parts, decode_infer_response, infer_request_parts
from umbel.serving.protocols.v2_reading import HEADER_LENGTH

DEADLINE_HEADER = "x-request-timeout-seconds"

_NO_LIMIT = aiohttp.ClientTimeout()

_PART = 1024 * 1024
"""Bytes of a body that are handed to the connection at once."""


Body = bytes | Parts | None


class HttpTransport:
    """One server. Connects at the first call and keeps connections; belongs to one event loop."""

    def __init__(
        self,
        base: str,
        *,
        headers: RequestHeaders,
        retry: Retry,
        message_limit: int,
        connections: int = 0,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self.base, self.headers, self.retry, self._tls = base, headers, retry, tls
        self.limit, self._connections = message_limit, connections
        self._proxy = _proxy(base)
        self._session: aiohttp.ClientSession | None = None
        self._gone: aiohttp.ClientSession | None = None

    async def ask(
        self,
        method: str,
        path: str,
        deadline: Deadline,
        body: Body = None,
        headers: Mapping[str, str] | None = None,
        retry: Retry | None = None,
    ) -> Reply:
        """One request below the base. Raises what ``refusal`` gives, ``RequestFailed`` where
        nobody answers, ``DeadlineExceeded``."""
        url = self.base + path

        async def once() -> Reply:
            limit = aiohttp.ClientTimeout(total=deadline.left())
            with self.failures(url, deadline):
                reply = await self.begin(method, url, deadline, body, headers or {}, limit)
                try:
                    return Reply(await whole(reply, self.limit), named(reply))
                finally:
                    reply.close()  # nothing where all of it was read

        return await attempts(once, retry or self.retry, deadline, url)

    async def infer(
        self,
        model: str,
        request: InferRequest,
        deadline: Deadline,
        headers: Mapping[str, str],
        binary: bool,
    ) -> InferResponse:
        """V2 inference, inputs as binary data where ``binary``."""
        body, own = infer_request_parts(request, binary=binary)
        path = infer_path(model)
        return response_of(await self.ask("POST", path, deadline, body, {**own, **headers}))

    async def begin(
        self,
        method: str,
        url: str,
        deadline: Deadline,
        body: Body,
        headers: Mapping[str, str],
        limit: aiohttp.ClientTimeout = _NO_LIMIT,
    ) -> aiohttp.ClientResponse:
        """One attempt: an answer below 300 that has not been read; whoever has it closes it.
        Raises ``Unanswered`` for a status that may pass."""
        left, sent = deadline.left(), self.headers.of(headers)
        if left is not None:
            sent[DEADLINE_HEADER] = f"{left:.3f}"
        parts = (body,) if isinstance(body, bytes) else body or ()
        size = sum(len(part) for part in parts)
        if size > _PART:
            sent["content-length"] = str(size)
        if self._gone is not None:
            await self._gone.close()
            self._gone = None
        reply = await self._open().request(
            method,
            url,
            data=_slices(parts) if size > _PART else b"".join(parts) or None,
            headers=sent,
            timeout=limit,
            allow_redirects=False,
            proxy=self._proxy,
        )
        if reply.status < 300:
            return reply
        try:
            text, found = await beginning(reply), named(reply)
        finally:
            reply.close()
        failed, pause = refusal(reply.status, text, found, url), found.get("retry-after", "")
        if reply.status in self.retry.statuses or (reply.status == 429 and pause):
            raise Unanswered(failed, _asked_pause(pause))
        raise failed

    @contextlib.contextmanager
    def failures(self, url: str, deadline: Deadline) -> Iterator[None]:
        """What goes wrong inside, as umbel's errors; ``Unanswered`` where nobody answered."""
        try:
            yield
        except aiohttp.InvalidURL as error:
            raise DeclarationError(f"{url}: expected http://host:port/NAME: {error}") from error
        except (aiohttp.ClientError, OSError, asyncio.TimeoutError) as error:
            if isinstance(error, asyncio.TimeoutError) and deadline.left() is not None:
                raise deadline.passed(url) from error
            failure = RequestFailed(f"{url} does not answer: {str(error) or type(error).__name__}")
            failure.__cause__ = error
            raise Unanswered(failure) from error
        except ValueError as error:  # after aiohttp's own, some of which are ValueErrors
            raise DeclarationError(f"{url}: this cannot be sent: {error}") from error

    def _open(self) -> aiohttp.ClientSession:
        if self._session is None:
            connector = _Connector(limit=self._connections, ssl=self._tls or True)
            self._session = aiohttp.ClientSession(
                connector=connector, cookie_jar=aiohttp.DummyCookieJar()
            )
        return self._session

    def forget(self) -> None:
        """Use the connections no more: their loop is gone."""
        self._gone, self._session = self._session, None

    def disown(self) -> None:
        """The connections are another process's, which forked this one."""
        if self._session is not None:
            self._session.detach()

    async def close(self) -> None:
        """Close the connections."""
        session, self._session = self._session, None
        if session is not None:
            await session.close()


class _Connector(aiohttp.TCPConnector):
    """Its finalizer takes the connections out of the loop's poll set, which a forked process
    shares with its parent: there it must not run."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self._process = os.getpid()

    def __del__(self, _warnings: Any = warnings) -> None:
        if self._process == os.getpid():
            super().__del__(_warnings)


def infer_path(model: str) -> str:
    """V2's path of a model's inference."""
    return f"/v2/models/{quote(model, safe='')}/infer"


def response_of(reply: Reply) -> InferResponse:
    """A V2 answer, in JSON or binary. Raises ``RequestFailed`` if it is none."""
    content, length = reply.headers.get("content-type", ""), HEADER_LENGTH.lower()
    return decode_infer_response(reply.body, content, reply.headers.get(length))


async def _slices(parts: Parts) -> AsyncIterator[memoryview]:
    """A large body piece by piece: the connection keeps no copy of what waits to be sent."""
    for part in parts:
        view = memoryview(part)
        for start in range(0, len(view), _PART):
            yield view[start : start + _PART]


def _asked_pause(text: str) -> float:
    """Seconds of a Retry-After header, which is a number of them or a date; else 0."""
    if text.strip().isdigit() and len(text) < 10:
        return float(text)
    try:
        return max(0.0, email.utils.parsedate_to_datetime(text).timestamp() - time.time())
    except (TypeError, ValueError):
        return 0.0


def _proxy(base: str) -> str | None:
    """The proxy that the environment names for the server. aiohttp's ``trust_env`` would do it,
    but also send what ``.netrc`` has for the host, and fail where the caller signs in itself."""
    parts = urlsplit(base)
    if urllib.request.proxy_bypass(parts.hostname or ""):
        return None
    return urllib.request.getproxies().get(parts.scheme)
