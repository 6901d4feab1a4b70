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
from ray.serve.handle import DeploymentHandle

from umbel.graph.errors import NotFound, NotReady
from umbel.graph.implementations import ModelPool
from umbel.graph.ir import Graph
from umbel.graph.plan import Plan
from umbel.nodes.request_context import RequestContext
from umbel.serving.grpc_protocol.opening import open_front
from umbel.serving.grpc_protocol.settings import GrpcSettings
from umbel.serving.loop_thread import LoopThread
from umbel.serving.protocols.error_bodies import model_not_found
from umbel.serving.ray_applications import INGRESS
from umbel.serving.ray_streams import remote_items
from umbel.serving.request_wire import to_wire

if TYPE_CHECKING:
    from umbel.serving.grpc_protocol.server import GrpcServer


class RayModels:
    """The served graphs of a plan. Made and used on one event loop: Ray's handles live on it."""

    def __init__(self, plan: Plan) -> None:
        program = plan.program
        # Not from `serve.get_app_handle`, which keeps handles to shut them down with Serve: too
        # late, when this loop has ended.
        self._handles: dict[str, Any] = {
            name: DeploymentHandle(INGRESS, name) for name in program.served
        }
        self._calls: dict[str, Any] = {
            name: handle.answer for name, handle in self._handles.items()
        }
        self._pools = [name for name in program.served if _grows(program.graphs[name])]
        pooled = {
            model: name
            for name in reversed(program.served)
            for node in program.graphs[name].nodes.values()
            if isinstance(node.code, ModelPool) and node.code.whole_requests
            for model in node.code.models
        }
        own_names = {program.graphs[name].served_as: name for name in reversed(program.served)}
        self._graphs: dict[str, str] = {
            **pooled,
            **own_names,
            **{name: name for name in program.served},
        }

    def names(self) -> Iterable[str]:
        """The graphs' names."""
        return self._calls.keys()

    async def answer(
        self, model: str, method: str, request: bytes, context: RequestContext
    ) -> bytes:
        """One of ``model_methods.METHODS``, by a replica. Raises NotFound for an unknown model,
        NotReady where no replica answers."""
        graph = self._graphs.get(model)
        for possible in [graph] if graph else self._pools:
            try:
                return await self._ask(possible, model, method, request, context)
            except NotFound:
                if possible == graph:
                    raise
        raise model_not_found(model)

    async def _ask(
        self, graph: str, model: str, method: str, request: bytes, context: RequestContext
    ) -> bytes:
        response = self._calls[graph].remote(model, method, request, to_wire(context))
        try:
            done, value, gained = await response
        except asyncio.CancelledError:
            response.cancel()
            raise
        except exceptions.RayActorError as error:
            raise NotReady(f"the replica of {graph!r} ended before it answered") from error
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
        graph = self._graphs.get(model)
        if graph is None:
            raise model_not_found(model)
        call = self._handles[graph].options(stream=True).answers
        try:
            async with aclosing(remote_items(call, graph, request, to_wire(context))) as items:
                async for item in items:
                    yield item
        except exceptions.RayActorError as error:
            raise NotReady(f"the replica of {graph!r} ended before it answered") from error

    async def close(self) -> None:
        """Let go of the replicas."""
        for handle in self._handles.values():
            if handle.is_initialized:
                await handle.shutdown_async()


def _grows(graph: Graph) -> bool:
    """Whether the graph serves models whose names are not all known beforehand."""
    pools = [node.code for node in graph.nodes.values() if isinstance(node.code, ModelPool)]
    return graph.interface == "models" and any(pool.folder is not None for pool in pools)


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
            models = RayModels(plan)
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
