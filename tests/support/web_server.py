"""A web server on loopback with the faults that a test asks for."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

Fault = Callable[[BaseHTTPRequestHandler, bytes], bool]
"""Answers itself and returns true, or leaves it to the server."""


@dataclass
class Site:
    """``files`` by path; ``faults`` by path, used up one for each GET; ``seen``: each request."""

    url: str = ""
    files: dict[str, bytes] = field(default_factory=dict)
    etags: dict[str, str] = field(default_factory=dict)
    redirects: dict[str, str] = field(default_factory=dict)
    faults: dict[str, list[Fault]] = field(default_factory=dict)
    content_type: str = "application/octet-stream"
    seen: list[tuple[str, str, dict[str, str]]] = field(default_factory=list)

    def gets(self, path: str) -> int:
        """How many GET requests for ``path`` came."""
        return sum(verb == "GET" and where == path for verb, where, _ in self.seen)


class _Handler(BaseHTTPRequestHandler):
    site: Site
    protocol_version = "HTTP/1.1"

    def do_HEAD(self) -> None:
        self._answer(body=False)

    def do_GET(self) -> None:
        self._answer(body=True)

    def _answer(self, body: bool) -> None:
        path = self.path.partition("?")[0]
        self.site.seen.append((self.command, path, {k.lower(): v for k, v in self.headers.items()}))
        if path in self.site.redirects:
            self._head(302, {"Location": self.site.redirects[path], "Content-Length": "0"})
            return
        content = self.site.files.get(path)
        if content is None:
            self._head(404, {"Content-Length": "0"})
            return
        waiting = self.site.faults.get(path)
        if body and waiting and waiting.pop(0)(self, content):
            return
        self._send(path, content, body)

    def _send(self, path: str, content: bytes, body: bool) -> None:
        etag = self.site.etags.get(path, f'"{hash(content)}"')
        headers = {"ETag": etag, "Content-Type": self.site.content_type}
        span = self.headers.get("Range", "")
        if span and self.headers.get("If-Range") == etag:
            start = int(span.removeprefix("bytes=").rstrip("-"))
            headers["Content-Range"] = f"bytes {start}-{len(content) - 1}/{len(content)}"
            content = content[start:]
            self._head(206, {**headers, "Content-Length": str(len(content))})
        else:
            self._head(200, {**headers, "Content-Length": str(len(content))})
        if body:
            self.wfile.write(content)

    def _head(self, status: int, headers: dict[str, str]) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None: ...


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request: object, client_address: object) -> None:
        """A client that hangs up is part of some tests."""


@contextlib.contextmanager
def serving(host: str = "127.0.0.1") -> Iterator[Site]:
    """A site until the block ends."""
    site = Site()
    server = _Server((host, 0), type("Handler", (_Handler,), {"site": site}))
    site.url = f"http://{host}:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield site
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def status(code: int) -> Fault:
    """Answer with ``code`` and nothing else."""

    def answer(handler: BaseHTTPRequestHandler, content: bytes) -> bool:
        handler.send_response(code)
        handler.send_header("Content-Length", "0")
        handler.end_headers()
        return True

    return answer


def cut(size: int) -> Fault:
    """Announce everything, send ``size`` bytes, hang up."""

    def answer(handler: BaseHTTPRequestHandler, content: bytes) -> bool:
        handler.send_response(200)
        handler.send_header("Content-Length", str(len(content)))
        handler.send_header("ETag", f'"{hash(content)}"')
        handler.end_headers()
        handler.wfile.write(content[:size])
        handler.close_connection = True
        return True

    return answer
