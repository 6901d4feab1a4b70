"""Opens a gRPC front beside HTTP, where it was asked for or can be had.

Imports gRPC only then: it is an extra, and graphs are served over HTTP without it.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from umbel.graph.errors import MissingExtra
from umbel.serving.grpc_protocol.settings import GrpcSettings
from umbel.serving.port_claim import PortTaken

if TYPE_CHECKING:
    from umbel.serving.grpc_protocol.front import Models
    from umbel.serving.grpc_protocol.server import GrpcServer

log = logging.getLogger("umbel")


async def open_front(
    models: Models, settings: GrpcSettings | None, *, host: str, http_port: int, version: str
) -> GrpcServer | None:
    """A server that listens, or ``None``: not wanted, or, where no port was asked for, the one
    after HTTP's is taken or gRPC is not installed.

    Raises ``PortTaken`` or ``MissingExtra`` where a port was asked for.
    """
    if settings is None:
        return None
    try:
        from umbel.serving.grpc_protocol.front import Front
        from umbel.serving.grpc_protocol.server import GrpcServer
    except ModuleNotFoundError as error:
        if settings.port is None:
            return None
        raise MissingExtra("--grpc-port", error.name or "grpcio", "grpc") from error
    server = GrpcServer(
        Front(models, version),
        host=host,
        port=http_port + 1 if settings.port is None else settings.port,
        message_limit=settings.message_limit,
    )
    try:
        await server.start()
    except PortTaken as error:
        if settings.port is not None:
            raise
        log.warning("no gRPC: %s", error)
        return None
    return server
