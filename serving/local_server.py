"""``umbel run --local``: graphs over HTTP in this process, without Ray."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable

import uvicorn

from umbel.graph.errors import DeclarationError
from umbel.graph.plan import Plan
from umbel.serving.graph_host import GraphHost
from umbel.serving.http_app import DEFAULT_BODY_LIMIT, HttpApp


class PortTaken(DeclarationError):
    """The address cannot be listened on."""


async def serve_local(
    plan: Plan,
    *,
    host: str,
    port: int,
    version: str,
    ready: Callable[[str], None],
    body_limit: int = DEFAULT_BODY_LIMIT,
) -> None:
    """Serve until SIGINT or SIGTERM. ``ready`` gets each graph's URL once it answers.

    Raises ``PortTaken``, or what a node that cannot start raised.
    """
    listener = _listen(host, port)
    graphs = GraphHost(plan, version)
    try:
        await graphs.start()
        config = uvicorn.Config(
            HttpApp(graphs, body_limit=body_limit),
            log_level="warning",
            access_log=False,
            lifespan="off",
            server_header=False,
            date_header=False,
            timeout_graceful_shutdown=20,
        )
        server = uvicorn.Server(config)
        serving = asyncio.create_task(server.serve(sockets=[listener]))
        while not server.started and not serving.done():
            await asyncio.sleep(0.005)
        for name in graphs.names():
            ready(f"http://{host}:{listener.getsockname()[1]}/{name}")
        await serving
    finally:
        listener.close()
        await graphs.close()


def _listen(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
    except OSError as error:
        listener.close()
        raise PortTaken(
            f"port {port} on {host} cannot be used: {error.strerror}; "
            "stop what listens there or choose another: --port"
        ) from error
    return listener
