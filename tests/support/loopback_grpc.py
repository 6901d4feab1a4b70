"""Graphs behind a gRPC front on the running event loop, on a loopback port."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator

from loopback_server import planned
from umbel.graph.graph_definitions import GraphDefinition
from umbel.serving.graph_host import GraphHost
from umbel.serving.grpc_protocol.front import Front
from umbel.serving.grpc_protocol.hosted_models import HostedModels
from umbel.serving.grpc_protocol.server import GrpcServer
from umbel.serving.grpc_protocol.settings import DEFAULT_MESSAGE_LIMIT


@contextlib.asynccontextmanager
async def serving_grpc(
    *definitions: GraphDefinition, message_limit: int = DEFAULT_MESSAGE_LIMIT, port: int = 0
) -> AsyncIterator[GrpcServer]:
    """A server that serves these graphs."""
    host = GraphHost(planned(*definitions), "0.0.0-test")
    await host.start()
    front = Front(HostedModels(host), "0.0.0-test")
    server = GrpcServer(front, host="127.0.0.1", port=port, message_limit=message_limit)
    try:
        await server.start()
        yield server
    finally:
        await server.stop(0)
        await host.close()
