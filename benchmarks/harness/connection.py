"""One HTTP/1.1 keep-alive connection that costs the load generator as little as Python can.

No task and no future for a request: the answer calls back. It knows what servers of JSON
answer with (a length, or chunks) and nothing else of HTTP.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import cast

Answered = Callable[["Connection", int, bytes, bytes], None]
"""Called with the connection, the status (0: the connection broke), the head and the body."""


class Connection(asyncio.Protocol):
    """Send one request at a time; ``answered`` is called once for each."""

    def __init__(self, answered: Answered) -> None:
        self._answered = answered
        self._transport: asyncio.Transport | None = None
        self._buffer = bytearray()
        self._missing = 0
        self._waits = False
        self.closed = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)  # uvloop's is no subclass

    def send(self, request: bytes) -> None:
        """Write a whole request. The one before must have been answered."""
        assert self._transport is not None
        self._waits = True
        self._transport.write(request)

    def close(self) -> None:
        """Drop the connection; nothing is called any more."""
        self._waits = False
        if self._transport is not None:
            self._transport.abort()

    def data_received(self, data: bytes) -> None:
        if self._buffer:
            self._buffer += data
            self._missing -= len(data)
            if self._missing > 0:
                return
            data = bytes(self._buffer)
        end = data.find(b"\r\n\r\n")
        head = data[:end].lower() if end >= 0 else b""
        body = _body(head, data, end + 4) if head else 1
        if isinstance(body, int):
            self._missing = body
            self._buffer = self._buffer or bytearray(data)
            return
        self._buffer = bytearray()
        self._waits = False
        if b"connection: close" in head:
            self.closed = True
        self._answered(self, int(head[9:12]), head, body)

    def connection_lost(self, _error: Exception | None) -> None:
        self.closed = True
        if self._waits:
            self._waits = False
            self._answered(self, 0, b"", b"")


def _body(head: bytes, buffer: bytes, start: int) -> bytes | int:
    """The body, or how many bytes of it are missing at least."""
    at = head.find(b"\r\ncontent-length:")
    if at >= 0:
        line_end = head.find(b"\r\n", at + 2)
        length = int(head[at + 17 : line_end if line_end > 0 else len(head)])
        missing = start + length - len(buffer)
        return missing if missing > 0 else buffer[start : start + length]
    if b"chunked" not in head:
        return b""
    parts: list[bytes] = []
    while True:
        line_end = buffer.find(b"\r\n", start)
        if line_end < 0:
            return 1
        size = int(buffer[start:line_end].split(b";")[0], 16)
        start = line_end + 2
        if len(buffer) < start + size + 2:
            return start + size + 2 - len(buffer)
        if size == 0:
            return b"".join(parts)
        parts.append(buffer[start : start + size])
        start += size + 2


async def connect(port: int, answered: Answered) -> Connection:
    """A connection to a server on loopback. Raises OSError."""
    loop = asyncio.get_running_loop()
    _, made = await loop.create_connection(lambda: Connection(answered), "127.0.0.1", port)
    return made
