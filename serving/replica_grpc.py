"""The gRPC server of a graph's replica, in place of Ray Serve's.

With ``grpc_options`` in its configuration, Ray Serve opens a gRPC port on every node (HAProxy,
where that is on) and one in every replica that takes requests, and leads the calls of the
application that has the route to its replicas, as it does for HTTP. Its own server in the
replica would take a call apart and put it together again; here it goes to umbel's front. What
Ray Serve needs to know stays true: requests in flight, the limit on them, the health check.

As for HTTP (`replica_ingress`), the function that starts the server is replaced inside the
replica's process. Where a version of Ray looks different, its own server stays, and calls the
methods of `grpc_protocol.serve_methods`.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import aclosing, asynccontextmanager
from typing import Any

import grpc

from umbel.serving.grpc_protocol.front import Front
from umbel.serving.grpc_protocol.server import GrpcServer
from umbel.serving.port_claim import PortTaken

log = logging.getLogger("umbel")

_NEEDED = ("_metrics_manager", "_semaphore", "_handle_builtin_grpc_service")
"""What of Ray Serve's replica is used."""

_BUILT_IN = "ray.serve.RayServeAPIService"
"""The service by which HAProxy asks whether a replica is well."""


def serve_grpc_directly(front: Front, message_limit: int) -> None:
    """Call it in the constructor of an ingress replica: Ray Serve starts its gRPC server after
    that, where its configuration asks for one. ``message_limit`` in bytes."""
    from ray.serve._private import replica
    from ray.util import get_node_ip_address

    original: Any = getattr(replica, "start_grpc_server", None)
    if original is None:
        log.warning("this version of Ray Serve starts its gRPC server in another way: it stays")
        return
    own_loop = asyncio.get_running_loop()
    host = str(get_node_ip_address())  # type: ignore[no-untyped-call]

    async def start(
        factory: Any, options: Any, *, event_loop: asyncio.AbstractEventLoop, **others: Any
    ) -> Any:
        owner = getattr(factory, "__self__", None)
        if event_loop is not own_loop or not all(hasattr(owner, name) for name in _NEEDED):
            return await original(factory, options, event_loop=event_loop, **others)
        server = GrpcServer(
            front,
            host=host,
            port=options.port,
            message_limit=message_limit,
            also=(_built_in(owner),),
            interceptors=(_Counted(owner),),
        )
        try:
            await server.start()
        except PortTaken as error:
            raise RuntimeError(str(error)) from error  # Ray Serve tries another port then
        return event_loop.create_task(server.ended()), server

    setattr(replica, "start_grpc_server", start)  # noqa: B010 - a private name


def _built_in(replica: Any) -> grpc.GenericRpcHandler:
    def answer(method: str) -> Callable[[bytes, Any], Awaitable[bytes]]:
        async def serve(_request: bytes, call: Any) -> bytes:
            answered: bytes = await replica._handle_builtin_grpc_service(method, call)
            return answered

        return serve

    names = ("Healthz", "ListApplications")
    return grpc.method_handlers_generic_handler(
        _BUILT_IN,
        {
            name: grpc.unary_unary_rpc_method_handler(answer(f"/{_BUILT_IN}/{name}"))
            for name in names
        },
    )


class _Counted(grpc.aio.ServerInterceptor):  # type: ignore[misc, no-any-unimported, unused-ignore]
    """Calls as Ray Serve has to see them: no more at once than the deployment may have, and
    counted, so that a replica is scaled by them and not taken away before they have ended."""

    def __init__(self, replica: Any) -> None:
        from ray.serve._private.common import RequestMetadata, RequestProtocol

        self._replica = replica
        self._counted_as = RequestMetadata(
            request_id="",
            internal_request_id="",
            call_method="__call__",
            is_direct_ingress=True,
            _request_protocol=RequestProtocol.GRPC,
        )

    async def intercept_service(self, continuation: Any, details: Any) -> Any:
        """The handler of a call, counting."""
        handler = await continuation(details)
        if handler is None or details.method.startswith(f"/{_BUILT_IN}/"):
            return handler
        if handler.response_streaming:
            return grpc.stream_stream_rpc_method_handler(self._stream(handler.stream_stream))
        return grpc.unary_unary_rpc_method_handler(self._unary(handler.unary_unary))

    def _unary(self, answer: Any) -> Callable[[bytes, Any], Awaitable[bytes]]:
        async def serve(request: bytes, call: Any) -> bytes:
            async with self._slot():
                answered: bytes = await answer(request, call)
                return answered

        return serve

    def _stream(self, answers: Any) -> Callable[[Any, Any], AsyncIterator[bytes]]:
        async def serve(requests: Any, call: Any) -> AsyncIterator[bytes]:
            async with self._slot(), aclosing(answers(requests, call)) as found:
                async for answered in found:
                    yield answered

        return serve

    @asynccontextmanager
    async def _slot(self) -> AsyncIterator[None]:
        replica = self._replica
        await replica._semaphore.acquire()
        try:
            replica._metrics_manager.inc_num_ongoing_requests(self._counted_as)
            try:
                yield
            finally:
                replica._metrics_manager.dec_num_ongoing_requests(self._counted_as)
        finally:
            replica._semaphore.release()
