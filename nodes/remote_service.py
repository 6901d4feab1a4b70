"""A step that is an HTTP service somewhere else: POST the body, pass on what comes back."""

from __future__ import annotations

import asyncio

import aiohttp

from umbel.graph.errors import RequestFailed
from umbel.graph.implementations import RemoteService
from umbel.nodes.header_rules import HeaderRules
from umbel.nodes.messages import Message
from umbel.nodes.request_context import current_request


class RemoteCaller:
    """One service. Any status is an answer; only no answer at all is an error."""

    def __init__(self, service: RemoteService) -> None:
        self._service = service
        self._rules = HeaderRules(service.forward_headers)
        self._session: aiohttp.ClientSession | None = None

    async def post(self, body: Message) -> Message:
        """Send ``body`` and return the reply. Raises ``RequestFailed`` with the cause's text."""
        context = current_request()
        if self._session is None:
            connector = aiohttp.TCPConnector(limit=0, keepalive_timeout=60)
            self._session = aiohttp.ClientSession(connector=connector, auto_decompress=True)
        headers = self._rules.select(context.header_list)
        if not any(name.lower() == "content-type" for name, _ in headers):
            headers.append(("Content-Type", "application/json"))
        limits = [t for t in (self._service.timeout_s, context.remaining()) if t is not None]
        timeout = aiohttp.ClientTimeout(total=min(limits) if limits else None)
        try:
            async with self._session.post(
                self._service.url, data=body.body, headers=headers, timeout=timeout
            ) as reply:
                content = await reply.read()
                kind = reply.headers.get("Content-Type", "")
                return Message(content, reply.status, kind)
        except asyncio.TimeoutError as error:
            raise RequestFailed(f'Post "{self._service.url}": timed out') from error
        except (aiohttp.ClientError, ValueError, OSError) as error:
            raise RequestFailed(f'Post "{self._service.url}": {error}') from error

    async def close(self) -> None:
        """Close idle connections."""
        if self._session is not None:
            await self._session.close()
