"""The listening side: one ``grpc.aio`` server on one port."""

from __future__ import annotations

from collections.abc import Sequence

import grpc

from umbel.serving.addresses import bracketed
from umbel.serving.grpc_protocol.front import Front
from umbel.serving.port_claim import PortTaken


class GrpcServer:
    """Serves a front until it is stopped. ``port`` 0 picks a free one. ``also``: handlers of
    further services; ``interceptors`` see every call."""

    def __init__(
        self,
        front: Front,
        *,
        host: str,
        port: int,
        message_limit: int,
        also: Sequence[grpc.GenericRpcHandler] = (),
        interceptors: Sequence[grpc.aio.ServerInterceptor] = (),
    ) -> None:
        self._handlers = (front.handler(), *also)
        self._host, self.port = host, port
        self._limit, self._interceptors = message_limit, interceptors
        self._server: grpc.aio.Server | None = None

    @property
    def url(self) -> str:
        """``grpc://host:port``."""
        return f"grpc://{bracketed(self._host)}:{self.port}"

    async def start(self) -> None:
        """Listen. Raises ``PortTaken``."""
        options = [
            ("grpc.max_receive_message_length", self._limit),
            ("grpc.max_send_message_length", self._limit),
            ("grpc.so_reuseport", 0),  # or a second server would share the port without an error
        ]
        server = grpc.aio.server(options=options, interceptors=self._interceptors or None)
        server.add_generic_rpc_handlers(self._handlers)
        self.port = _bind(server, self._host, self.port)
        await server.start()
        self._server = server

    async def stop(self, grace_s: float) -> None:
        """Refuse new calls at once; those that run have ``grace_s`` seconds to end. May be called
        again: the shortest time counts."""
        if self._server is not None:
            await self._server.stop(grace_s)

    async def ended(self) -> None:
        """Returns once the server has stopped."""
        if self._server is not None:
            await self._server.wait_for_termination()


def _bind(server: grpc.aio.Server, host: str, port: int) -> int:
    try:
        bound = int(server.add_insecure_port(f"{bracketed(host)}:{port}"))
    except RuntimeError:
        bound = 0
    if bound == 0:
        raise PortTaken(
            f"port {port} on {host} cannot be used for gRPC; "
            "stop what listens there or choose another: --grpc-port"
        )
    return bound
