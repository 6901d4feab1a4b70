"""gRPC on a Ray cluster whose graphs outlive whoever deployed them: an application of its own.

Its one replica runs on the cluster's head, where Ray Serve's HTTP listens too, and answers for
every graph of umbel's on the cluster, those included that come later.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections import Counter
from collections.abc import AsyncGenerator, Iterable
from contextlib import aclosing
from typing import TYPE_CHECKING, Any

from ray import serve
from ray.experimental import internal_kv

from umbel.graph.errors import DeclarationError, NotFound
from umbel.nodes.request_context import RequestContext
from umbel.serving.cluster_choice import choose
from umbel.serving.cluster_graphs import ClusterGraphs
from umbel.serving.grpc_protocol.opening import open_front
from umbel.serving.grpc_protocol.settings import DEFAULT_MESSAGE_LIMIT, GrpcSettings
from umbel.serving.model_names import ModelNames
from umbel.serving.port_claim import PortTaken
from umbel.serving.ray_applications import IN_FLIGHT
from umbel.serving.ray_grpc import NotStarted, RayModels
from umbel.serving.replica_loopback import listen_on_loopback

if TYPE_CHECKING:
    from umbel.serving.grpc_protocol.server import GrpcServer

log = logging.getLogger("umbel")

APPLICATION = "umbel.grpc"
"""Its name among the cluster's applications; no graph can have it, for its dot."""

DEPLOYMENT = "grpc"

_SPACE, _URL = b"umbel-grpc", b"url"

_HEAD = "node:__internal_head__"
_PORT_FREE_WITHIN_S = 10.0
"""Seconds that a replica waits for its port: the one before it may be about to end."""


class ClusterModels(RayModels):
    """The models of all of umbel's graphs on the cluster."""

    def __init__(self) -> None:
        super().__init__(ModelNames())
        self.graphs = ClusterGraphs(lambda _: None)

    def names(self) -> Iterable[str]:
        """What each is called without saying anything else, or with its namespace."""
        served = [one for one in self.graphs.served if one.is_own]
        often = Counter(one.name for one in served)
        return [one.name if often[one.name] == 1 else one.label for one in served]

    def chosen(self, model: str, context: RequestContext) -> Iterable[tuple[str, str]]:
        """Raises ``InvalidInput`` where a model is served in several places."""
        return choose(self.graphs.served, model, context.headers)

    async def answer(
        self, model: str, method: str, request: bytes, context: RequestContext
    ) -> bytes:
        """As ``RayModels.answer``, after another look where the model is not known, or what had
        it is gone."""
        try:
            return await super().answer(model, method, request, context)
        except NotFound:
            before = self.graphs.served
            await self.graphs.refresh()
            if self.graphs.served == before:
                raise
        except NotStarted:
            await self.graphs.refresh()
        return await super().answer(model, method, request, context)

    async def answers(
        self, model: str, request: bytes, context: RequestContext
    ) -> AsyncGenerator[bytes, None]:
        """As ``RayModels.answers``, after another look where the model is not known."""
        if not self.chosen(model, context):
            await self.graphs.refresh()
        async with aclosing(super().answers(model, request, context)) as items:
            async for item in items:
                yield item


class GrpcReplica:
    """The replica. ``port`` is never 0: a replica that takes its place has to find it."""

    async def __init__(  # type: ignore[misc]  # Ray Serve awaits it
        self, host: str, port: int, message_limit: int, version: str
    ) -> None:
        listen_on_loopback()
        self._settings = GrpcSettings(port, message_limit)
        self._models = ClusterModels()
        await self._models.graphs.refresh()
        self._server = await self._opened(host, version)
        await asyncio.to_thread(
            internal_kv._internal_kv_put, _URL, self._server.url.encode(), namespace=_SPACE
        )
        self._following = asyncio.create_task(self._models.graphs.follow())

    async def _opened(self, host: str, version: str) -> GrpcServer:
        end = time.monotonic() + _PORT_FREE_WITHIN_S
        while True:
            try:
                server = await open_front(
                    self._models, self._settings, host=host, http_port=0, version=version
                )
            except PortTaken:
                if time.monotonic() > end:
                    raise
                await asyncio.sleep(0.2)
                continue
            if server is None:
                raise DeclarationError("gRPC was not asked for")
            return server

    async def __del__(self) -> None:
        self._following.cancel()
        await self._server.stop(10.0)
        await self._models.close()


def build(args: dict[str, Any]) -> Any:
    """The application, for a Serve config: ``host``, ``port``, ``message_limit`` in bytes.
    Raises ``DeclarationError`` where ``args`` are not what this release understands."""
    unknown = args.keys() - {"host", "port", "message_limit", "version"}
    if unknown or not args.get("port"):
        raise DeclarationError(
            f"args must hold port and may hold host, message_limit; got {', '.join(args) or '{}'}"
        )
    return serve.deployment(
        name=DEPLOYMENT,
        num_replicas=1,
        max_ongoing_requests=IN_FLIGHT,
        max_constructor_retry_count=1,
        health_check_period_s=5,
        graceful_shutdown_timeout_s=20,
        ray_actor_options={"num_cpus": 0, "resources": {_HEAD: 0.001}},
    )(GrpcReplica).bind(
        str(args.get("host", "127.0.0.1")),
        int(args["port"]),
        int(args.get("message_limit", DEFAULT_MESSAGE_LIMIT)),
        str(args.get("version", "")),
    )


def bring_up(settings: GrpcSettings, *, host: str, http_port: int, version: str) -> str | None:
    """Deploy the front where it does not run yet, and return its URL. One that listens
    elsewhere is replaced where a port is asked for; else it stays as it is.

    Returns ``None`` where no port was asked for and the one after HTTP's cannot be had.
    Raises ``DeclarationError`` where a port was asked for.
    """
    if settings.port == 0:
        raise DeclarationError("--grpc-port 0: on a cluster the port has to be a certain one")
    running = _running_url()
    if running is not None and settings.port in (None, int(running.rsplit(":", 1)[1])):
        return running
    if running is not None:
        serve.delete(APPLICATION)
    args = {"host": host, "port": settings.port or http_port + 1, "version": version}
    built = build({**args, "message_limit": settings.message_limit})
    try:
        serve.run_many([serve.RunTarget(built, name=APPLICATION, route_prefix=None)])
    except RuntimeError as error:
        told = _reason(error)
        serve.delete(APPLICATION)
        if settings.port is None:
            log.warning("no gRPC: %s", told)
            return None
        raise DeclarationError(f"gRPC cannot start: {told}") from error
    return _running_url()


def take_down() -> None:
    """Delete the front if it runs."""
    if APPLICATION in serve.status().applications:
        serve.delete(APPLICATION)


def _running_url() -> str | None:
    """What the front's replica has written into the cluster's store. Asking the replica itself
    would need an event loop that stays for as long as this process."""
    application = serve.status().applications.get(APPLICATION)
    if application is None or application.status != "RUNNING":
        return None
    told = internal_kv._internal_kv_get(_URL, namespace=_SPACE)
    return told.decode() if told else None


def _reason(error: RuntimeError) -> str:
    from umbel.serving.ray_server import last_error

    application = serve.status().applications.get(APPLICATION)
    messages = [one.message for one in application.deployments.values()] if application else []
    return last_error("; ".join(messages) or str(error))
