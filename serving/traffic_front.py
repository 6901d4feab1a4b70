"""A front that divides a path's requests among Serve applications: stable and canary.

Its replicas hold no model. A request goes whole to a replica of the chosen application, through
a handle, and the reply comes back as it is, streams part by part. The shares are exact over
every hundred requests of a replica, in an order nobody can guess: a client that repeats a
pattern does not meet one revision only.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncGenerator, Mapping
from typing import Any

from umbel.serving.asgi import Message, Receive, Send, answer_asgi
from umbel.serving.endpoint import json_reply
from umbel.serving.replica_loopback import listen_on_loopback
from umbel.serving.wire import HttpRequest, Reply


class TicketBag:
    """Draws names so that of each hundred draws every name gets exactly its percent."""

    def __init__(self, shares: Mapping[str, int]) -> None:
        """``shares`` sum to 100."""
        self._tickets = [name for name, percent in shares.items() for _ in range(percent)]
        self._bag: list[str] = []

    def draw(self) -> str:
        """The next name."""
        if not self._bag:
            self._bag = random.sample(self._tickets, len(self._tickets))
        return self._bag.pop()


class TrafficFront:
    """What answers: each request by one of the applications."""

    def __init__(
        self,
        shares: Mapping[str, int],
        handles: Mapping[str, Any],
        limit: int,
        moved: tuple[str, str],
    ) -> None:
        """``handles``: application → handle whose call gives a reply in parts. ``moved``: the
        path the front answers below, and the one its applications know."""
        self._bag, self._handles = TicketBag(shares), handles
        self.body_limit, self._moved = limit, moved

    async def answer(self, request: HttpRequest) -> Reply:
        """The reply of the chosen application."""
        handle = self._handles[self._bag.draw()]
        path = self._there(request.path)
        parts = handle.remote(
            request.method, path, request.query, request.headers, request.body
        ).__aiter__()
        status, body, headers, streams = await parts.__anext__()
        return Reply(status, body, headers, _rest(parts) if streams else None)

    def cancels(self, _request: HttpRequest) -> bool:
        """Whether a client that leaves ends its request: the application decides, behind."""
        return True

    def refused(self, status: int, text: str) -> Reply:
        """The reply to what is no request."""
        return json_reply({"error": text}, status)

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        await answer_asgi(self, scope, receive, send)

    def _there(self, path: str) -> str:
        here, there = self._moved
        if path == here or path.startswith(here + "/"):
            return there + path[len(here) :]
        return path


async def _rest(parts: Any) -> AsyncGenerator[bytes, None]:
    async for part in parts:
        yield part


class FrontReplica:
    """A replica of the front."""

    async def __init__(  # type: ignore[misc]  # Ray Serve awaits it
        self, shares: dict[str, int], body_limit: int, moved: tuple[str, str]
    ) -> None:
        listen_on_loopback()
        from ray import serve

        handles: dict[str, Any] = {}
        for name in shares:
            handle = await asyncio.to_thread(serve.get_app_handle, name)
            handles[name] = handle.options(stream=True, method_name="exchange")
        self._app = TrafficFront(shares, handles, body_limit, moved)

    def __serve_build_asgi_app__(self) -> TrafficFront:
        return self._app
