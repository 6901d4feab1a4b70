"""The HTTP server of a graph's replica, in place of Ray Serve's.

HAProxy talks to replicas directly. Ray Serve answers it through uvicorn, a middleware, a queue
and two tasks for each request; that takes longer than a light graph. Here a request goes from
the parser to the graph. What Ray Serve needs to know of a replica stays true: the requests in
flight that scaling and draining go by, the limit on them, and the health check.

Ray has no setting for this, so the function that starts the server is replaced inside the
replica's process. Where a version of Ray looks different, its own server stays.
"""

from __future__ import annotations

import asyncio
import logging
import socket
from typing import Any

import orjson

from umbel.serving.http_connection import Application
from umbel.serving.http_listener import HttpListener
from umbel.serving.wire import HttpRequest, Reply

log = logging.getLogger("umbel")

_NEEDED = ("_metrics_manager", "_semaphore", "_dataplane_health_check", "_route_prefix")
"""What of Ray Serve's replica is used."""


def serve_directly(app: Application) -> None:
    """Call it in the constructor of an ingress replica: Ray Serve starts its HTTP server after
    that. ``app`` then takes the requests, where it lives on the loop of Ray Serve's server."""
    from ray.serve._private import replica

    original: Any = getattr(replica, "start_asgi_http_server", None)
    if original is None:
        log.warning("this version of Ray Serve starts its HTTP server in another way: it stays")
        return
    own_loop = asyncio.get_running_loop()

    async def start(
        asgi: Any, options: Any, *, event_loop: asyncio.AbstractEventLoop, **others: Any
    ) -> Any:
        owner = getattr(asgi, "__self__", None)
        usable = event_loop is own_loop and all(hasattr(owner, name) for name in _NEEDED)
        if not usable or options.ssl_keyfile or options.root_path:
            return await original(asgi, options, event_loop=event_loop, **others)
        sock = _bound(options.host, options.port)
        server = _DirectServer(app, owner, sock)
        await server.listen()
        return event_loop.create_task(server.serve()), server

    setattr(replica, "start_asgi_http_server", start)  # noqa: B010 - a private name


class _DirectServer:
    """What Ray Serve holds in place of uvicorn's server: it sets ``should_exit``, and waits for
    or cancels the task of ``serve``."""

    def __init__(self, app: Application, replica: Any, sock: socket.socket) -> None:
        self._listener = HttpListener(_Counted(app, replica))
        self._sock = sock
        self._stopping = asyncio.Event()

    @property
    def should_exit(self) -> bool:
        """True from when no further connections are taken."""
        return self._stopping.is_set()

    @should_exit.setter
    def should_exit(self, value: bool) -> None:
        if value:
            self._listener.refuse()
            self._stopping.set()

    async def listen(self) -> None:
        """Take requests from now on."""
        await self._listener.start(self._sock)

    async def serve(self) -> None:
        """Until a stop was asked for and every request has its reply."""
        try:
            await self._stopping.wait()
            await self._listener.stop(None)
        finally:
            self._listener.abort()


class _Counted:
    """The application as Ray Serve has to see it: counted, limited, with its health page."""

    def __init__(self, app: Application, replica: Any) -> None:
        from ray.serve._private.common import RequestMetadata, RequestProtocol

        self._app, self._replica = app, replica
        self.body_limit = app.body_limit
        self.cancels, self.refused = app.cancels, app.refused
        self._counted_as = RequestMetadata(
            request_id="",
            internal_request_id="",
            call_method="__call__",
            is_direct_ingress=True,
            _request_protocol=RequestProtocol.HTTP,
        )

    async def answer(self, request: HttpRequest) -> Reply:
        """The reply, once there are fewer in flight than the deployment's limit."""
        if request.path.startswith("/-/"):
            return await self._health(request.path)
        replica, counted_as = self._replica, self._counted_as
        await replica._semaphore.acquire()
        try:
            replica._metrics_manager.inc_num_ongoing_requests(counted_as)
            try:
                return await self._app.answer(request)
            finally:
                replica._metrics_manager.dec_num_ongoing_requests(counted_as)
        finally:
            replica._semaphore.release()

    async def _health(self, path: str) -> Reply:
        healthy, text = await self._replica._dataplane_health_check()
        status = 200 if healthy else 503
        if path == "/-/routes" and healthy:
            routes = {self._replica._route_prefix: self._replica._deployment_id.app_name}
            return Reply(status, orjson.dumps(routes), {"content-type": "application/json"})
        return Reply(status, text.encode(), {"content-type": "text/plain; charset=utf-8"})


def _bound(host: str, port: int) -> socket.socket:
    """Raises ``RuntimeError`` from the ``OSError``: Ray Serve tries another port then."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    sock = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    try:
        sock.bind((host, port))
    except OSError as error:
        sock.close()
        raise RuntimeError(f"port {port} on {host} cannot be used") from error
    return sock
