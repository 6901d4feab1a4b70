"""Requests over HTTP with retries and a deadline that travels along."""

from __future__ import annotations

import asyncio
import ssl
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import quote, urlsplit

import aiohttp
import orjson

from umbel.graph.errors import DeclarationError, RequestFailed
from umbel.graph.options import Retry
from umbel.serving.client.answered_errors import answered
from umbel.serving.client.attempts import Deadline, Unanswered, attempts
from umbel.serving.protocols.payload import InferRequest, InferResponse
from umbel.serving.protocols.v2 import decode_infer_response, encode_infer_request
from umbel.serving.protocols.v2_reading import HEADER_LENGTH

DEADLINE_HEADER = "x-request-timeout-seconds"


@dataclass(frozen=True)
class Reply:
    """An answer below 400. ``headers`` have lower-case names."""

    body: bytes
    headers: Mapping[str, str]

    def json(self, url: str) -> object:
        """The body. Raises ``RequestFailed`` if it is not JSON."""
        try:
            return orjson.loads(self.body)
        except orjson.JSONDecodeError as error:
            raise RequestFailed(f"{url}: the answer is not JSON: {error}") from error


class HttpTransport:
    """One server. Connects at the first call and keeps connections; belongs to one event loop."""

    def __init__(
        self,
        base: str,
        *,
        headers: Mapping[str, str],
        retry: Retry,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self.base, self._headers, self._retry, self._tls = base, dict(headers), retry, tls
        self._proxy = _proxy(base)
        self._session: aiohttp.ClientSession | None = None

    async def ask(
        self,
        method: str,
        path: str,
        deadline: Deadline,
        body: bytes | None = None,
        headers: Mapping[str, str] | None = None,
        retry: Retry | None = None,
    ) -> Reply:
        """One request below the base. Raises what ``answered`` gives, ``RequestFailed`` where
        nobody answers, ``DeadlineExceeded``."""
        url = self.base + path
        sent = {**self._headers, **(headers or {})}
        return await attempts(
            lambda: self._once(method, url, deadline, body, sent),
            retry or self._retry,
            deadline,
            url,
        )

    async def infer(
        self,
        model: str,
        request: InferRequest,
        deadline: Deadline,
        headers: Mapping[str, str],
        binary: bool,
    ) -> InferResponse:
        """V2 inference, inputs as binary data where ``binary``."""
        body, own = encode_infer_request(request, binary=binary)
        path = f"/v2/models/{quote(model, safe='')}/infer"
        reply = await self.ask("POST", path, deadline, body, {**own, **headers})
        return decode_infer_response(
            reply.body,
            reply.headers.get("content-type", ""),
            reply.headers.get(HEADER_LENGTH.lower()),
        )

    async def _once(
        self,
        method: str,
        url: str,
        deadline: Deadline,
        body: bytes | None,
        headers: Mapping[str, str],
    ) -> Reply:
        left = deadline.left()
        if left is not None:
            headers = {**headers, DEADLINE_HEADER: f"{left:.3f}"}
        timeout = aiohttp.ClientTimeout(total=left)
        try:
            async with self._open().request(
                method,
                url,
                data=body,
                headers=headers,
                timeout=timeout,
                allow_redirects=False,
                proxy=self._proxy,
            ) as reply:
                content, status = await reply.read(), reply.status
                found = {name.lower(): value for name, value in reply.headers.items()}
        except asyncio.TimeoutError as error:
            raise deadline.passed(url) from error
        except (aiohttp.InvalidURL, ValueError) as error:
            raise DeclarationError(f"{url}: expected http://host:port/NAME: {error}") from error
        except (aiohttp.ClientError, OSError) as error:
            failure = RequestFailed(f"{url} does not answer: {str(error) or type(error).__name__}")
            failure.__cause__ = error
            raise Unanswered(failure) from error
        if status < 300:
            return Reply(content, found)
        failed = answered(status, content, found.get("content-type", ""), url)
        if status in self._retry.statuses:
            raise Unanswered(failed, _asked_pause(found.get("retry-after", "")))
        raise failed

    def _open(self) -> aiohttp.ClientSession:
        if self._session is None:
            connector = aiohttp.TCPConnector(limit=0, ssl=self._tls or True)
            self._session = aiohttp.ClientSession(
                connector=connector, cookie_jar=aiohttp.DummyCookieJar()
            )
        return self._session

    async def close(self) -> None:
        """Close the connections."""
        session, self._session = self._session, None
        if session is not None:
            await session.close()


def _asked_pause(text: str) -> float:
    """Seconds of a Retry-After header; 0 for none and for a date."""
    return float(text) if text.strip().isdigit() and len(text) < 10 else 0.0


def _proxy(base: str) -> str | None:
    """The proxy that the environment names for the server. aiohttp's ``trust_env`` would do it,
    but also send what ``.netrc`` has for the host, and fail where the caller signs in itself."""
    parts = urlsplit(base)
    if urllib.request.proxy_bypass(parts.hostname or ""):
        return None
    return urllib.request.getproxies().get(parts.scheme)
