"""Server-sent events out of the pieces in which they arrive."""

from __future__ import annotations

from umbel.graph.errors import RequestFailed


class EventParts:
    """Takes bytes as they come, gives the data of each event that is whole.

    ``limit`` is the most bytes one event may have.
    """

    def __init__(self, limit: int) -> None:
        self._limit, self._line, self._data = limit, bytearray(), list[bytes]()
        self._size, self._return = 0, False

    @property
    def cut(self) -> bool:
        """Is there the beginning of an event whose end has not come?"""
        return bool(self._line or self._data)

    def feed(self, part: bytes) -> list[bytes]:
        """The data of the events that end in ``part``. Raises ``RequestFailed`` for an event
        over the limit."""
        if self._return and part.startswith(b"\n"):  # of a line end that was cut in two
            part = part[1:]
        self._return = part.endswith(b"\r") if part else self._return
        *whole, rest = part.replace(b"\r\n", b"\n").replace(b"\r", b"\n").split(b"\n")
        found: list[bytes] = []
        for piece in whole:
            line = bytes(self._line) + piece
            self._line.clear()
            self._take(line, found)
        self._line += rest
        if self._size + len(self._line) > self._limit:
            raise RequestFailed(f"an event has more than {self._limit} bytes (message_limit)")
        return found

    def _take(self, line: bytes, found: list[bytes]) -> None:
        if not line:
            if self._data:
                found.append(b"\n".join(self._data))
            self._data, self._size = [], 0
            return
        name, _, value = line.partition(b":")
        if name == b"data":  # comments and the other fields say nothing here
            self._data.append(value.removeprefix(b" "))
            self._size += len(value)
            if self._size > self._limit:
                raise RequestFailed(f"an event has more than {self._limit} bytes (message_limit)")
