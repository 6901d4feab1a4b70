"""A step that is an HTTP service somewhere else: POST the body, pass on what comes back."""

from __future__ import annotations

import asyncio
import io

import aiohttp

from umbel.graph.errors import DeadlineExceeded, RequestFailed
from umbel.graph.implementations import RemoteService
from umbel.nodes.header_rules import HeaderRules
from umbel.nodes.messages import Message, timed_out
from umbel.nodes.remote_failures import reason, url_fault
from umbel.nodes.request_context import RequestContext, current_request

_LONGEST_HEADER = 1024 * 1024
"""Bytes of a reply's header line that are read: Go's limit for all of them."""

_LARGE = 1024 * 1024
"""Bytes from which on a body is sent in pieces: aiohttp would copy a larger one in one go."""


class RemoteCaller:
    """One service. Any status is an answer; only no answer at all is an error."""

    def __init__(self, service: RemoteService) -> None:
        self._service, self._fault = service, url_fault(service.url)
        self._rules = HeaderRules(service.forward_headers)
        self._session: aiohttp.ClientSession | None = None

    async def post(self, body: Message) -> Message:
        """Send ``body`` and return the reply. Raises ``RequestFailed`` with the cause's text,
        ``DeadlineExceeded`` where the request's own deadline passed."""
        if self._fault:
            raise RequestFailed(self._fault)
        context, url = current_request(), self._service.url
        limits = [t for t in (self._service.timeout_s, context.remaining()) if t is not None]
        timeout = aiohttp.ClientTimeout(total=max(0.001, min(limits)) if limits else None)
        try:
            async with self._open().post(
                url, data=_streamed(body.body), headers=self._headers(context), timeout=timeout
            ) as reply:
                content = await reply.read()
                return Message(content, reply.status, reply.headers.get("Content-Type", ""))
        except asyncio.TimeoutError as error:
            left = context.remaining()
            if left is not None and left <= 0:
                raise DeadlineExceeded(f"no answer from {url} before the deadline") from error
            raise RequestFailed(timed_out(url)) from error
        except (aiohttp.ClientError, ValueError, OSError) as error:
            raise RequestFailed(reason(url, error)) from error

    def _headers(self, context: RequestContext) -> list[tuple[str, str]]:
        headers = self._rules.select(context.header_list)
        headers = [(name, value) for name, value in headers if name != "Accept-Encoding"]
        if not any(name == "Content-Type" for name, _ in headers):
            headers.append(("Content-Type", "application/json"))
        return [*headers, ("Accept-Encoding", "gzip")]

    def _open(self) -> aiohttp.ClientSession:
        """The session, opened at the first call. It keeps no cookies: what a service sets for
        one client must not reach it with another's request."""
        if self._session is None:
            self._session = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(limit=0, keepalive_timeout=60),
                cookie_jar=aiohttp.DummyCookieJar(),
                skip_auto_headers=("Accept", "User-Agent"),
                max_line_size=_LONGEST_HEADER,
                max_field_size=_LONGEST_HEADER,
            )
        return self._session

    async def close(self) -> None:
        """Close idle connections."""
        if self._session is not None:
            await self._session.close()


def _streamed(body: bytes) -> bytes | io.BytesIO:
    return body if len(body) < _LARGE else io.BytesIO(body)
