"""gRPC in front of graphs on Ray: a server in the driver, which calls graph replicas.

Ray has a gRPC proxy of its own, but it finds an application by a metadata key that stock
clients do not send. Messages go to the replicas as they came: a replica alone reads tensors.
"""

from __future__ import annotations

import asyncio
import concurrent.futures
from collections.abc import AsyncGenerator, Iterable
from contextlib import aclosing
from typing import TYPE_CHECKING, Any

from ray import exceptions
from ray.serve.exceptions import DeploymentUnavailableError
from ray.serve.handle import DeploymentHandle

from umbel.graph.errors import NotFound, NotReady
from umbel.graph.plan import Plan
from umbel.nodes.request_context import RequestContext
from umbel.serving.grpc_protocol.opening import open_front
from umbel.serving.grpc_protocol.settings import GrpcSettings
from umbel.serving.loop_thread import LoopThread
from umbel.serving.model_names import ModelNames, names_in
from umbel.serving.protocols.error_bodies import model_not_found
from umbel.serving.ray_applications import INGRESS
from umbel.serving.ray_streams import remote_items
from umbel.serving.request_wire import to_wire

if TYPE_CHECKING:
    from umbel.serving.grpc_protocol.server import GrpcServer


class NotStarted(NotReady):
    """The application is gone, and the call has not reached it."""


_GONE = (exceptions.RayActorError, DeploymentUnavailableError)


class RayModels:
    """The served graphs behind a front. Made and used on one event loop: Ray's handles live on
    it. ``known`` may change."""

    def __init__(self, known: ModelNames) -> None:
        self.known = known
        self._handles: dict[str, Any] = {}
        self._calls: dict[str, Any] = {}

    def handle(self, graph: str) -> Any:
        """The handle of an application's replicas. Not from `serve.get_app_handle`, which keeps
        handles to shut them down with Serve: too late, when this loop has ended."""
        handle = self._handles.get(graph)
        if handle is None:
            handle = self._handles[graph] = DeploymentHandle(INGRESS, graph)
        return handle

    def names(self) -> Iterable[str]:
        """The graphs' names."""
        return self.known.graphs

    async def answer(
        self, model: str, method: str, request: bytes, context: RequestContext
    ) -> bytes:
        """One of ``model_methods.METHODS``, by a replica. Raises NotFound for an unknown model,
        NotReady where no replica answers."""
        unknown = model_not_found(model)
        for application, known_as in self.chosen(model, context):
            try:
                return await self._ask(application, known_as, method, request, context)
            except NotFound as error:
                unknown = error
        raise unknown

    def chosen(self, model: str, context: RequestContext) -> Iterable[tuple[str, str]]:
        """The applications that may answer for a model, each with the name it knows the model
        by; the first that knows it answers."""
        return ((graph, model) for graph in self.known.candidates(model))

    async def _ask(
        self, graph: str, model: str, method: str, request: bytes, context: RequestContext
    ) -> bytes:
        call = self._calls.get(graph)
        if call is None:
            call = self._calls[graph] = self.handle(graph).answer
        response = call.remote(model, method, request, to_wire(context))
        try:
            done, value, gained = await response
        except asyncio.CancelledError:
            response.cancel()
            raise
        except _GONE as error:
            raise _ended(graph, error) from error
        context.response_headers.update(gained.response_headers)
        context.calls += gained.calls
        context.branches.update(gained.branches)
        if done:
            answered: bytes = value
            return answered
        raise value

    async def answers(
        self, model: str, request: bytes, context: RequestContext
    ) -> AsyncGenerator[bytes, None]:
        """The responses to one request of a stream, by a replica. Raises as ``answer`` does."""
        graph, known_as = next(iter(self.chosen(model, context)), ("", ""))
        if not graph:
            raise model_not_found(model)
        call = self.handle(graph).options(stream=True).answers
        try:
            async with aclosing(remote_items(call, known_as, request, to_wire(context))) as items:
                async for item in items:
                    yield item
        except _GONE as error:
            raise _ended(graph, error) from error

    async def close(self) -> None:
        """Let go of the replicas."""
        for handle in self._handles.values():
            if handle.is_initialized:
                await handle.shutdown_async()


def _ended(application: str, error: Exception) -> NotReady:
    if isinstance(error, DeploymentUnavailableError):
        return NotStarted(f"{application!r} is not there any more")
    return NotReady(f"the replica of {application!r} ended before it answered")


class RayFront:
    """The front of one run. ``url`` is ``None`` where there is none."""

    def __init__(
        self,
        plan: Plan,
        settings: GrpcSettings | None,
        *,
        host: str,
        http_port: int,
        version: str,
    ) -> None:
        """Listens once this returns. Raises what ``open_front`` raises."""
        self._loop = LoopThread("umbel-grpc")
        self._stopped: concurrent.futures.Future[None] | None = None

        async def open_() -> tuple[RayModels, GrpcServer | None]:
            models = RayModels(names_in(plan))
            return models, await open_front(
                models, settings, host=host, http_port=http_port, version=version
            )

        self._models, self._server = self._loop.submit(open_()).result()
        self.url = None if self._server is None else self._server.url

    def begin_stop(self, grace_s: float) -> None:
        """Refuse new calls; those that run have ``grace_s`` seconds to end."""
        if self._server is not None:
            self._stopped = self._loop.submit(self._server.stop(grace_s))

    def end_calls(self) -> None:
        """Returns once all calls have ended, at once if ``begin_stop`` was not called."""
        if self._stopped is None:
            self.begin_stop(0)
        if self._stopped is not None:
            self._stopped.result()
        self._loop.submit(self._models.close()).result()

    def close(self) -> None:
        """End the thread. To be called after Ray has stopped, which uses the loop until then."""
        self._loop.close()
