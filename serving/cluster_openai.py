"""``/openai/v1`` at the root on Ray, KServe's shape: the body's ``model`` names the graph.

HAProxy chooses an application by the path, and cannot read bodies. So these paths have an
application of their own, whose replica hands each request to the graph that it is for.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator
from functools import partial
from typing import Any

from ray import serve
from ray.serve.handle import DeploymentHandle

from umbel.serving.asgi import Message, Receive, Send, answer_asgi
from umbel.serving.cluster_graphs import ClusterGraphs
from umbel.serving.endpoint import json_reply
from umbel.serving.http_app import request_context
from umbel.serving.openai_paths import answer_root
from umbel.serving.ray_applications import IN_FLIGHT, INGRESS
from umbel.serving.replica_ingress import serve_directly
from umbel.serving.replica_loopback import listen_on_loopback
from umbel.serving.wire import HttpRequest, Reply, WireRequest

log = logging.getLogger("umbel")

APPLICATION = "umbel.openai"
"""Its name among the applications; no graph can have it, for its dot."""

ROUTE = "/openai"


class OpenAiFront:
    """What answers: each request by a replica of its model's graph."""

    def __init__(self, body_limit: int) -> None:
        self.body_limit = body_limit
        self.graphs = ClusterGraphs(lambda _: None)

    async def answer(self, request: HttpRequest) -> Reply:
        """The reply of the graph that has the model, or one in OpenAI's form."""
        context, headers = request_context(request.headers)
        wire = WireRequest(
            request.method, request.path, request.body, headers, context, request.query
        )
        reply = await self._answer(wire)
        if reply.status == 404:
            await self.graphs.refresh()  # it may have come a moment ago
            reply = await self._answer(wire)
        return reply._replace(headers={"x-request-id": context.id, **reply.headers})

    async def _answer(self, wire: WireRequest) -> Reply:
        models = self.graphs.known.openai
        return await answer_root({m: partial(self._ask, models[m]) for m in models}, wire)

    async def _ask(self, graph: str, request: WireRequest) -> Reply:
        handle: Any = DeploymentHandle(INGRESS, graph).options(stream=True)
        headers = (*request.context.header_list, ("x-request-id", request.context.id))
        response = handle.exchange.remote(
            request.method, request.path, request.query, headers, request.body
        )
        parts = response.__aiter__()
        try:
            status, body, told, streams = await parts.__anext__()
        except BaseException:
            response.cancel()
            raise
        return Reply(status, body, told, _rest(response, parts) if streams else None)

    def cancels(self, _request: HttpRequest) -> bool:
        """A client that leaves ends its request."""
        return True

    def refused(self, status: int, text: str) -> Reply:
        """The reply to what is no request."""
        return json_reply({"error": text}, status)

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        await answer_asgi(self, scope, receive, send)


async def _rest(response: Any, parts: Any) -> AsyncGenerator[bytes, None]:
    ended = False
    try:
        async for part in parts:
            yield part
        ended = True
    finally:
        if not ended:
            response.cancel()


class OpenAiReplica:
    """A replica of the front."""

    async def __init__(self, body_limit: int) -> None:  # type: ignore[misc]  # Serve awaits it
        listen_on_loopback()
        self._app = OpenAiFront(body_limit)
        await self._app.graphs.refresh()
        self._following = asyncio.create_task(self._app.graphs.follow())
        serve_directly(self._app)

    def __serve_build_asgi_app__(self) -> OpenAiFront:
        return self._app

    async def __del__(self) -> None:
        self._following.cancel()


def bring_up(body_limit: int) -> bool:
    """Deploy the front where it does not run yet. Returns whether it does."""
    there = serve.status().applications
    if APPLICATION in there:
        return True
    if ROUTE.strip("/") in there:  # a graph of this name
        return False
    deployment = serve.deployment(
        name="openai",
        num_replicas=1,
        max_ongoing_requests=IN_FLIGHT,
        health_check_period_s=5,
        graceful_shutdown_timeout_s=20,
        ray_actor_options={"num_cpus": 0},
    )(serve.ingress()(OpenAiReplica))
    target = serve.RunTarget(deployment.bind(body_limit), name=APPLICATION, route_prefix=ROUTE)
    try:
        serve.run_many([target])
    except RuntimeError as error:
        log.warning("no %s: %s", ROUTE, error)
        serve.delete(APPLICATION)
        return False
    return True


def take_down() -> None:
    """Delete the front if it runs."""
    if APPLICATION in serve.status().applications:
        serve.delete(APPLICATION)
