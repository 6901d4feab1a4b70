"""gRPC on a Ray cluster whose graphs outlive whoever deployed them: an application of its own.

Its one replica runs on the cluster's head, where Ray Serve's HTTP listens too, and answers for
every graph of umbel's on the cluster, those included that come later. It looks once a second
which there are, and at once when it is asked for a model that it does not know.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import AsyncGenerator, Collection
from contextlib import aclosing
from typing import TYPE_CHECKING, Any

from ray import serve
from ray.serve.handle import DeploymentHandle

from umbel.graph.errors import DeclarationError, NotFound
from umbel.nodes.request_context import RequestContext
from umbel.serving.grpc_protocol.opening import open_front
from umbel.serving.grpc_protocol.settings import DEFAULT_MESSAGE_LIMIT, GrpcSettings
from umbel.serving.model_names import ModelNames, joined
from umbel.serving.port_claim import PortTaken
from umbel.serving.ray_applications import IN_FLIGHT, INGRESS
from umbel.serving.ray_grpc import RayModels
from umbel.serving.replica_loopback import listen_on_loopback

if TYPE_CHECKING:
    from umbel.serving.grpc_protocol.server import GrpcServer

log = logging.getLogger("umbel")

APPLICATION = "umbel.grpc"
"""Its name among the cluster's applications; no graph can have it, for its dot."""

DEPLOYMENT = "grpc"

_HEAD = "node:__internal_head__"
_LOOK_AGAIN_S = 1.0
_PATIENCE_S = 5.0
_PORT_FREE_WITHIN_S = 10.0
"""Seconds that a replica waits for its port: the one before it may be about to end."""


class ClusterModels(RayModels):
    """The models of all of umbel's graphs on the cluster."""

    def __init__(self) -> None:
        super().__init__(ModelNames())
        self._told: dict[tuple[str, float], ModelNames] = {}
        self._looking: asyncio.Task[None] | None = None

    async def refresh(self) -> None:
        """Look which graphs there are; joins the look that is under way."""
        if self._looking is None or self._looking.done():
            self._looking = asyncio.create_task(self._look())
        await asyncio.shield(self._looking)

    async def _look(self) -> None:
        applications = (await asyncio.to_thread(serve.status)).applications
        there = sorted(
            (name, one.last_deployed_time_s)
            for name, one in applications.items()
            if INGRESS in one.deployments
        )
        parts = await asyncio.gather(*(self._ask_names(key) for key in there))
        self._told = {key: part for key, part in zip(there, parts, strict=True) if part is not None}
        self.known = joined(self._told.values())

    async def _ask_names(self, key: tuple[str, float]) -> ModelNames | None:
        """What a graph's replicas say; ``None`` for an application that is not umbel's, or does
        not answer yet."""
        if key in self._told:
            return self._told[key]
        call: Any = DeploymentHandle(INGRESS, key[0]).model_names
        try:
            told: ModelNames = await asyncio.wait_for(call.remote(), _PATIENCE_S)
        except Exception as error:
            log.info("%s does not say which models it has: %s", key[0], error)
            return None
        return told

    async def answer(
        self, model: str, method: str, request: bytes, context: RequestContext
    ) -> bytes:
        """As ``RayModels.answer``, after another look where the model is not known."""
        try:
            return await super().answer(model, method, request, context)
        except NotFound:
            before = self.known
            await self._look_anew()
            if self.known == before:
                raise
        return await super().answer(model, method, request, context)

    async def answers(
        self, model: str, request: bytes, context: RequestContext
    ) -> AsyncGenerator[bytes, None]:
        """As ``RayModels.answers``, after another look where the model is not known."""
        if not self.known.candidates(model):
            await self._look_anew()
        async with aclosing(super().answers(model, request, context)) as items:
            async for item in items:
                yield item

    async def _look_anew(self) -> None:
        with contextlib.suppress(Exception):  # the controller is busy: what was known holds
            await self.refresh()

    async def follow(self) -> None:
        """Look again and again."""
        while True:
            await asyncio.sleep(_LOOK_AGAIN_S)
            await self._look_anew()


class GrpcReplica:
    """The replica. ``port`` is never 0: a replica that takes its place has to find it."""

    async def __init__(  # type: ignore[misc]  # Ray Serve awaits it
        self, host: str, port: int, message_limit: int, version: str
    ) -> None:
        listen_on_loopback()
        self._settings = GrpcSettings(port, message_limit)
        self._models = ClusterModels()
        await self._models.refresh()
        self._server = await self._opened(host, version)
        self._following = asyncio.create_task(self._models.follow())

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

    async def url(self) -> str:
        """Where it listens."""
        return self._server.url

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


def take_down_unless_needed(going: Collection[str] = ()) -> None:
    """Delete the front where none of umbel's graphs is left but those that are ``going``."""
    there = serve.status().applications
    if APPLICATION not in there:
        return
    if not any(INGRESS in one.deployments for name, one in there.items() if name not in going):
        serve.delete(APPLICATION)


def _running_url() -> str | None:
    if APPLICATION not in serve.status().applications:
        return None
    try:
        front: Any = DeploymentHandle(DEPLOYMENT, APPLICATION)
        return str(front.url.remote().result(timeout_s=_PATIENCE_S))
    except Exception as error:  # it never started: it is deployed anew
        log.info("the gRPC front does not answer: %s", error)
        return None


def _reason(error: RuntimeError) -> str:
    from umbel.serving.ray_server import last_error

    application = serve.status().applications.get(APPLICATION)
    messages = [one.message for one in application.deployments.values()] if application else []
    return last_error("; ".join(messages) or str(error))
