"""An HTTP server whose next answers a test chooses, and that remembers what it was asked."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

DROP = 0
"""In place of a status: close the connection without an answer."""


@dataclass
class FaultyServer:
    """``faults``: statuses of the next answers; after them come ``status`` and ``body``."""

    port: int = 0
    faults: list[int] = field(default_factory=list)
    status: int = 200
    body: bytes = b"{}"
    delay_s: float = 0.0
    retry_after: str = ""
    requests: list[tuple[str, str, dict[str, str], bytes]] = field(default_factory=list)
    times: list[float] = field(default_factory=list)
    connections: set[tuple[str, int]] = field(default_factory=set)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"


@contextlib.contextmanager
def faulty_server() -> Iterator[FaultyServer]:
    """The server, on a thread of its own."""
    state = FaultyServer()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            asked = self.rfile.read(int(self.headers.get("Content-Length", "0")))
            headers = {name.lower(): value for name, value in self.headers.items()}
            state.requests.append((self.command, self.path, headers, asked))
            state.times.append(time.monotonic())
            state.connections.add(self.client_address)
            status = state.faults.pop(0) if state.faults else state.status
            time.sleep(state.delay_s)
            if status == DROP:
                self.close_connection = True
                return
            body = state.body if status < 400 else b'{"error": "for now"}'
            self.send_response(status)
            if state.retry_after and status == 503:
                self.send_header("Retry-After", state.retry_after)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            with contextlib.suppress(ConnectionError):  # who asked may have left
                self.wfile.write(body)

        do_GET = do_POST  # noqa: N815 - http.server's name

        def log_message(self, format: str, *args: object) -> None: ...

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    state.port = server.server_address[1]
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield state
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
