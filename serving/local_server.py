"""``umbel run --local``: graphs over HTTP in this process, without Ray."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable, Coroutine
from typing import TYPE_CHECKING, Any

from umbel.graph.errors import DeclarationError
from umbel.graph.plan import Plan
from umbel.nodes.loading import NodeNotLoaded
from umbel.serving import process_tuning
from umbel.serving.addresses import bracketed
from umbel.serving.graph_host import GraphHost, GraphNotStarted
from umbel.serving.grpc_protocol.hosted_models import HostedModels
from umbel.serving.grpc_protocol.opening import open_front
from umbel.serving.grpc_protocol.settings import GrpcSettings
from umbel.serving.http_app import DEFAULT_BODY_LIMIT, HttpApp
from umbel.serving.http_listener import HttpListener
from umbel.serving.stop_signals import stop_signals

if TYPE_CHECKING:
    from umbel.serving.grpc_protocol.server import GrpcServer

DRAIN_S = 20
"""Seconds that requests in flight have to end after a stop was asked for."""


class PortTaken(DeclarationError):
    """The address cannot be listened on."""


def run_until_stopped(serving: Coroutine[Any, Any, None]) -> None:
    """``asyncio.run``, on uvloop where it is installed (it comes with Ray Serve): a light request
    takes less time there."""
    try:
        import uvloop
    except ImportError:
        asyncio.run(serving)
    else:
        uvloop.run(serving)


async def serve_local(
    plan: Plan,
    *,
    host: str,
    port: int,
    version: str,
    ready: Callable[[str], None],
    body_limit: int = DEFAULT_BODY_LIMIT,
    grpc: GrpcSettings | None = None,
) -> None:
    """Serve until SIGINT or SIGTERM. ``ready`` gets each graph's URL once it answers, and then
    that of gRPC, which is one for all.

    Raises ``PortTaken``, or ``GraphNotStarted`` for the first node that cannot be loaded.
    """
    listener = _listen(host, port)
    port = listener.getsockname()[1]
    graphs = GraphHost(plan, version)
    front = None
    try:
        if not await _started(graphs):
            return
        process_tuning.settle()
        front = await open_front(
            HostedModels(graphs), grpc, host=host, http_port=port, version=version
        )
        server = HttpListener(HttpApp(graphs, body_limit=body_limit))
        stopped = _stop_on_signals(server, front)
        await _open(server, listener)
        for name in graphs.names():
            ready(f"http://{bracketed(host)}:{port}/{name}")
        if front is not None:
            ready(front.url)
        await stopped.wait()
        await server.stop(DRAIN_S)
    finally:
        listener.close()
        if front is not None:
            await front.stop(DRAIN_S)
        await graphs.close()


async def _started(graphs: GraphHost) -> bool:
    """False if a signal asked for a stop while nodes were being loaded."""
    stopped = asyncio.Event()
    for number in stop_signals():
        asyncio.get_running_loop().add_signal_handler(number, stopped.set)
    starting = asyncio.create_task(graphs.start())
    waiting = asyncio.create_task(stopped.wait())
    try:
        await asyncio.wait([starting, waiting], return_when=asyncio.FIRST_COMPLETED)
        if starting.done():
            starting.result()
        return starting.done()
    except NodeNotLoaded as error:
        name = next(graph.name for graph in graphs.plan.program if error.node in graph.nodes)
        raise GraphNotStarted(f"graph {name!r} cannot start: {error}") from error
    finally:
        starting.cancel()
        waiting.cancel()
        await asyncio.gather(starting, waiting, return_exceptions=True)


def _stop_on_signals(server: HttpListener, front: GrpcServer | None) -> asyncio.Event:
    """The first signal sets the event, and lets requests of both protocols end; a second one
    does not."""
    stopped = asyncio.Event()
    draining: list[asyncio.Task[None]] = []

    def stop() -> None:
        again = stopped.is_set()
        stopped.set()
        if again:
            server.abort()
        if front is not None:
            draining.append(asyncio.create_task(front.stop(0 if again else DRAIN_S)))

    for number in stop_signals():
        asyncio.get_running_loop().add_signal_handler(number, stop)
    return stopped


def _listen(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    # A large reply is two writes, head and body: without this the second waits 40 ms for an ACK.
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    try:
        listener.bind((host, port))
    except OSError as error:
        listener.close()
        raise PortTaken(_cannot_be_used(host, port, error)) from error
    return listener


async def _open(server: HttpListener, listener: socket.socket) -> None:
    """Take connections from now on: nothing answers before. Raises ``PortTaken`` if another
    process that was starting too came first."""
    host, port = listener.getsockname()[:2]
    try:
        await server.start(listener)
    except OSError as error:
        raise PortTaken(_cannot_be_used(host, port, error)) from error


def _cannot_be_used(host: str, port: int, error: OSError) -> str:
    return (
        f"port {port} on {host} cannot be used: {error.strerror}; "
        "stop what listens there or choose another: --port"
    )
