"""A server that answers with the bytes a test has written, one script for each connection."""

from __future__ import annotations

import contextlib
import socket
import ssl
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

Script = Sequence[bytes | float]
"""Bytes to send, and seconds to wait before the next ones."""

EVENTS = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"
LAST = b"0\r\n\r\n"


def chunk(data: bytes) -> bytes:
    """One chunk of a body."""
    return b"%x\r\n%s\r\n" % (len(data), data)


def whole(body: bytes, *headers: bytes, status: bytes = b"200 OK") -> bytes:
    """An answer with its length."""
    lines = [b"HTTP/1.1 " + status, b"content-length: %d" % len(body), *headers]
    return b"\r\n".join(lines) + b"\r\n\r\n" + body


@dataclass
class ScriptedServer:
    """``asked`` has the heads of the requests; ``sent`` how many bytes went out; ``left`` is set
    when a client closed its connection before the script's end."""

    port: int
    secure: bool = False
    asked: list[str] = field(default_factory=list)
    sent: int = 0
    left: threading.Event = field(default_factory=threading.Event)

    @property
    def url(self) -> str:
        return f"{'https' if self.secure else 'http'}://127.0.0.1:{self.port}"


@contextlib.contextmanager
def scripted_server(
    *scripts: Script, tls: ssl.SSLContext | None = None
) -> Iterator[ScriptedServer]:
    """The last script is for all further connections. Each request begins its script anew."""
    listener = socket.create_server(("127.0.0.1", 0))
    listener.settimeout(0.05)
    state, ended = ScriptedServer(listener.getsockname()[1], tls is not None), threading.Event()
    threads: list[threading.Thread] = []

    def serve() -> None:
        while not ended.is_set():
            with contextlib.suppress(TimeoutError):
                connection, _ = listener.accept()
                script = scripts[min(len(threads), len(scripts) - 1)]
                thread = threading.Thread(target=answer, args=(connection, script), daemon=True)
                threads.append(thread)
                thread.start()

    def answer(plain: socket.socket, script: Script) -> None:
        plain.settimeout(20)
        with contextlib.suppress(OSError), plain, wrapped(plain) as connection:
            while head := _request(connection):
                state.asked.append(head)
                for part in script:
                    if isinstance(part, float):
                        time.sleep(part)
                        continue
                    try:
                        connection.sendall(part)
                    except OSError:
                        state.left.set()
                        return
                    state.sent += len(part)
                if not script or script[-1] == b"":
                    return  # cut

    def wrapped(plain: socket.socket) -> socket.socket:
        return plain if tls is None else tls.wrap_socket(plain, server_side=True)

    accepting = threading.Thread(target=serve)
    accepting.start()
    try:
        yield state
    finally:
        ended.set()
        accepting.join()
        listener.close()


def _request(connection: socket.socket) -> str:
    """The head of the next request, its body read; empty where there is none."""
    data = b""
    while b"\r\n\r\n" not in data:
        part = connection.recv(65536)
        if not part:
            return ""
        data += part
    head, _, body = data.partition(b"\r\n\r\n")
    text = head.decode("latin-1")
    lengths = [
        line[15:] for line in text.lower().split("\r\n") if line.startswith("content-length:")
    ]
    missing = int(lengths[0]) - len(body) if lengths else 0
    while missing > 0:
        missing -= len(connection.recv(65536))
    return text
