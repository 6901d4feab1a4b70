"""A listening socket and its connections: opened, looked after, drained."""

from __future__ import annotations

import asyncio
import socket
import time

from umbel.serving.http_connection import Application, HttpConnection

KEEP_ALIVE_S = 90.0
"""Seconds that a connection may stay open without a request. Longer than a proxy in front
keeps one: the proxy closes first, and never sends into a connection that is closing."""

RECEIVE_S = 60.0
"""Seconds without a byte from which a request that has begun is given up with 408."""

SLOWEST = 240.0
"""Bytes a second. A request that comes more slowly on the whole, once it has taken ``RECEIVE_S``,
is given up, too: a byte now and then does not keep a connection."""

SEND_S = 60.0
"""Seconds from which a client that reads nothing of its reply is cut off."""

_SWEEP_S = 1.0

_BACKLOG = 2048
"""Connections that may wait to be taken."""


class HttpListener:
    """Serves an application on a socket from `start` until `stop`."""

    def __init__(
        self,
        app: Application,
        *,
        keep_alive_s: float = KEEP_ALIVE_S,
        receive_s: float = RECEIVE_S,
        slowest: float = SLOWEST,
        send_s: float = SEND_S,
    ) -> None:
        self._app, self._keep_alive_s = app, keep_alive_s
        self._receive_s, self._slowest, self._send_s = receive_s, slowest, send_s
        self._connections: set[HttpConnection] = set()
        self._server: asyncio.AbstractServer | None = None
        self._sweeper: asyncio.TimerHandle | None = None

    @property
    def connections(self) -> int:
        """How many are open."""
        return len(self._connections)

    async def start(self, listener: socket.socket) -> None:
        """Take connections from now on. Raises ``OSError`` where the address is taken."""
        loop = asyncio.get_running_loop()
        listener.listen(_BACKLOG)  # uvloop would only log that another process was first
        self._server = await loop.create_server(
            lambda: HttpConnection(self._app, self._connections), sock=listener, backlog=_BACKLOG
        )
        self._sweep()

    def refuse(self) -> None:
        """Take no further connections. Requests on open ones are answered; each connection
        ends with its reply, idle ones at once."""
        if self._server is not None:
            self._server.close()
        for connection in list(self._connections):
            connection.end()

    async def stop(self, grace_s: float | None) -> None:
        """`refuse`, wait up to ``grace_s`` for requests in flight (``None``: for all), and cut
        what is left."""
        self.refuse()
        if self._connections:
            await asyncio.wait([c.closed for c in self._connections], timeout=grace_s)
        self.abort()

    def abort(self) -> None:
        """Cut every connection."""
        if self._server is not None:
            self._server.close()
        if self._sweeper is not None:
            self._sweeper.cancel()
        for connection in list(self._connections):
            connection.abort()

    def _sweep(self) -> None:
        now = time.monotonic()
        for connection in list(self._connections):
            unused = now - connection.last_used
            if connection.keeps_waiting(now, self._receive_s, self._slowest):
                connection.refuse(408, "the request did not arrive in time")
            elif connection.does_not_read(now, self._send_s):
                connection.abort()
            elif connection.is_idle and unused > self._keep_alive_s:
                connection.end()
        self._sweeper = asyncio.get_running_loop().call_later(_SWEEP_S, self._sweep)
