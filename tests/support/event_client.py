"""Reads server-sent events from a loopback port, each with the moment at which it came."""

from __future__ import annotations

import contextlib
import http.client
import json
import time
from collections.abc import Iterator
from typing import Any, NamedTuple


class Event(NamedTuple):
    """``seconds`` after the request was sent. ``data`` is parsed, but for ``[DONE]``."""

    seconds: float
    data: Any


def events(port: int, path: str, body: object, **headers: str) -> Iterator[Event]:
    """The events of one request. Closing it closes the connection."""
    named = {"accept": "text/event-stream"}
    named.update({name.replace("_", "-"): value for name, value in headers.items()})
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    with contextlib.closing(connection):
        start = time.monotonic()
        connection.request("POST", path, json.dumps(body), named)
        reply = connection.getresponse()
        assert reply.status == 200, reply.read()
        assert reply.headers["content-type"].startswith("text/event-stream")
        while line := reply.readline():
            if line.strip():
                assert line.startswith(b"data: "), line
                text = line[6:].strip()
                data = text.decode() if text == b"[DONE]" else json.loads(text)
                yield Event(time.monotonic() - start, data)
                assert reply.readline() == b"\n"
        connection.close()
