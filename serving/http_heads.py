"""What stands before a body: the target of a request read, the head of a reply written."""

from __future__ import annotations

import time
from email.utils import formatdate
from functools import lru_cache
from http import HTTPStatus
from urllib.parse import unquote, urlsplit

from umbel.serving.wire import HttpRequest, Reply

_STATUS_LINES = {s.value: f"HTTP/1.1 {s.value} {s.phrase}\r\n".encode() for s in HTTPStatus}


WITHOUT_BODY = frozenset((204, 304))
"""Replies with such a status end with their headers, whatever their length says."""

_FRAMING = frozenset(("content-length", "transfer-encoding", "connection"))


def split_target(url: bytes) -> tuple[str, str]:
    """Path, with its escapes read, and query of a request's target. Raises ``ValueError``."""
    target = url.decode("latin-1")
    if target == "*":  # OPTIONS of the server itself
        return "/", ""
    if not target.startswith("/"):  # absolute form, as a client sends it to a proxy
        split = urlsplit(target)
        return unquote(split.path), split.query
    path, _, query = target.partition("?")
    path, _, _ = path.partition("#")
    return (unquote(path) if "%" in path else path), query


def reply_head(reply: Reply, request: HttpRequest, keep: bool, length: int | None) -> bytes:
    """Status line and headers. ``length`` of the body; ``None``: chunks follow, or for HTTP/1.0
    everything until the connection ends. A status that proxies do not know becomes 502. Headers
    of the reply that say where it ends or the connection does are left out."""
    status = reply.status if 200 <= reply.status < 600 else 502
    line = _STATUS_LINES.get(status) or f"HTTP/1.1 {status} Unknown\r\n".encode()
    headers = reply.headers
    if not _FRAMING.isdisjoint(headers):
        headers = {name: value for name, value in headers.items() if name not in _FRAMING}
    lines = [f"{name}: {value}\r\n" for name, value in headers.items()]
    if "date" not in headers:
        lines.append(_date_line(int(time.time())))
    if status in WITHOUT_BODY:
        pass
    elif length is not None:
        lines.append(f"content-length: {length}\r\n")
    elif not request.http_1_0:
        lines.append("transfer-encoding: chunked\r\n")
    if not keep:
        lines.append("connection: close\r\n")
    elif request.http_1_0:
        lines.append("connection: keep-alive\r\n")
    lines.append("\r\n")
    head = "".join(lines)
    if head.count("\n") != len(lines) or head.count("\r") != len(lines):
        return line + _without_breaks(lines)
    return line + head.encode("latin-1", "replace")


@lru_cache(maxsize=1)
def _date_line(second: int) -> str:
    """RFC 9110, 6.6.1: a server with a clock says when it replied. Written once a second."""
    return f"date: {formatdate(second, usegmt=True)}\r\n"


def _without_breaks(lines: list[str]) -> bytes:
    """The headers where a value has a line break in it, which would begin another header."""
    clean = [line[:-2].replace("\r", " ").replace("\n", " ") + "\r\n" for line in lines]
    return "".join(clean).encode("latin-1", "replace")
