"""A front that divides a path's requests among Serve applications: stable and canary.

Its replicas hold no model. A request, over HTTP or gRPC, goes whole to a replica of the chosen
application, through a handle, and the reply comes back as it is, streams part by part. The
shares are exact over every hundred requests of a replica, of HTTP and of gRPC each, in an order
nobody can guess: a client that repeats a pattern does not meet one revision only.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncGenerator, Iterable, Mapping
from dataclasses import replace
from typing import Any

from umbel.graph.errors import UmbelError
from umbel.nodes.request_context import RequestContext
from umbel.serving.asgi import Message, Receive, Send, answer_asgi
from umbel.serving.endpoint import json_reply
from umbel.serving.grpc_protocol.front import Front
from umbel.serving.grpc_protocol.serve_methods import ServeMethods
from umbel.serving.model_names import ModelNames, joined
from umbel.serving.ray_grpc import RayModels
from umbel.serving.ray_streams import Sent, sent_items
from umbel.serving.replica_grpc import serve_grpc_directly
from umbel.serving.replica_loopback import listen_on_loopback
from umbel.serving.request_wire import Wire, from_wire
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


class SharedModels(RayModels):
    """What answers over gRPC: each call, and each request of a stream, by one of the
    applications."""

    def __init__(self, bag: TicketBag, applications: Iterable[str]) -> None:
        super().__init__(ModelNames())
        self._bag, self._applications = bag, tuple(applications)

    def chosen(self, model: str, context: RequestContext) -> Iterable[tuple[str, str]]:
        """The one that is drawn: a model that a revision does not have is not asked of another."""
        return ((self._bag.draw(), model),)

    async def learn(self) -> None:
        """Ask the applications for their models' names."""
        calls = (self.handle(name).model_names.remote() for name in self._applications)
        self.known = joined(await asyncio.gather(*calls))


class FrontReplica(ServeMethods):
    """A replica of the front."""

    async def __init__(  # type: ignore[misc]  # Ray Serve awaits it
        self, shares: dict[str, int], body_limit: int, moved: tuple[str, str], version: str = ""
    ) -> None:
        listen_on_loopback()
        from ray import serve

        handles: dict[str, Any] = {}
        for name in shares:
            handle = await asyncio.to_thread(serve.get_app_handle, name)
            handles[name] = handle.options(stream=True, method_name="exchange")
        self._app = TrafficFront(shares, handles, body_limit, moved)
        self._models = SharedModels(TicketBag(shares), shares)
        self.grpc_front = Front(self._models, version)
        await self._models.learn()
        serve_grpc_directly(self.grpc_front, body_limit)

    def __serve_build_asgi_app__(self) -> TrafficFront:
        return self._app

    def model_names(self) -> ModelNames:
        """What the models of its applications are called."""
        return replace(self._models.known, openai={})

    async def answer(
        self, model: str, method: str, request: bytes, wire: Wire
    ) -> tuple[bool, Any, RequestContext]:
        """As ``GraphReplica.answer``, by one of the applications."""
        context = from_wire(wire)
        try:
            return True, await self._models.answer(model, method, request, context), context
        except UmbelError as error:
            return False, error, context

    async def answers(self, model: str, request: bytes, wire: Wire) -> Sent:
        """As ``GraphReplica.answers``, by one of the applications."""
        context = from_wire(wire)
        async for item in sent_items(
            lambda: self._models.answers(model, request, context), context, model
        ):
            yield item

    async def __del__(self) -> None:
        await self._models.close()
