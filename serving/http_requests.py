"""What a client sends, read into whole requests within limits.

Parsing is httptools' (Node's llhttp), which is strict about everything that two servers could
read in two ways. What is here is what RFC 9112 asks of a server beyond the grammar.
"""

from __future__ import annotations

from typing import Protocol

import httptools

from umbel.serving.http_heads import split_target
from umbel.serving.wire import HttpRequest

LARGEST_HEAD = 64 * 1024
"""Bytes of a request line with its headers; from the read on that goes over it, 431. The same
for trailers and extensions of chunks, which nothing reads."""

_VERSIONS = ("1.1", "1.0")


class Arrivals(Protocol):
    """Who gets what has been read, in its order."""

    def arrived(self, request: HttpRequest) -> None:
        """A request is complete."""

    def expects_continue(self) -> None:
        """A client waits for leave to send its body."""

    def refuse(self, status: int, text: str) -> None:
        """What came is no request, or over a limit: nothing more is read."""


class RequestReader:
    """One connection's parser with what it has read of the next request."""

    def __init__(self, arrivals: Arrivals, body_limit: int) -> None:
        self._to, self._body_limit = arrivals, body_limit
        self._parser = httptools.HttpRequestParser(self)
        self._url, self._headers, self._body = b"", [], []  # type: ignore[var-annotated]
        self._version = "1.1"
        self._head_size = self._body_size = self._other_size = 0
        self._in_head, self._head_ended, self._body_came = True, False, False
        self._upgrades = self._refused = False
        self._now = 0.0
        self.is_receiving = False
        """A request has begun to arrive and is not complete."""
        self.began = 0.0
        """When it began, in the time of `feed`."""

    @property
    def size(self) -> int:
        """Bytes that have come of the request that is arriving."""
        return self._head_size + self._body_size

    def feed(self, data: bytes, now: float) -> None:
        """Read on. ``now``: of any clock, in seconds."""
        self._now, self._body_came = now, False
        self._head_ended, in_head = False, self._in_head  # a body may end in this very read
        rest = memoryview(data)
        while rest and not self._refused:
            try:
                self._parser.feed_data(rest)
                break
            except httptools.HttpParserUpgrade as stop:
                rest = rest[stop.args[0] :]
                if not self._refused:  # it is not CONNECT
                    self._read_on_without_upgrade()
            except httptools.HttpParserError as error:
                self._refuse(400, f"this is not HTTP/1.1: {error}")
        if in_head and not self._head_ended:
            self._head_size += len(data)
            if self._head_size > LARGEST_HEAD:
                self._refuse(431, f"the headers have more than {LARGEST_HEAD} bytes")
        elif not (in_head or self._body_came or self._head_ended):
            self._other_size += len(data)
            if self._other_size > LARGEST_HEAD:
                text = "trailers or a chunk's extensions have more than"
                self._refuse(431, f"{text} {LARGEST_HEAD} bytes")

    def _read_on_without_upgrade(self) -> None:
        """A server may ignore that a client would like another protocol. The parser would take
        what follows for that protocol, the request's body too (Java's client asks every server
        for HTTP/2 in this way): a new one reads the head again, without the wish."""
        method = self._parser.get_method()
        lines = [b"%b %b HTTP/%b" % (method, self._url, self._version.encode())]
        lines += [f"{n}: {v}".encode("latin-1") for n, v in self._headers if n != "upgrade"]
        self._parser, self._upgrades = httptools.HttpRequestParser(self), False
        self._parser.feed_data(b"\r\n".join(lines) + b"\r\n\r\n")

    def _refuse(self, status: int, text: str) -> None:
        if not self._refused:
            self._refused = True
            self._to.refuse(status, text)

    # httptools calls these.

    def on_message_begin(self) -> None:
        self._url, self._headers, self._body = b"", [], []
        self._body_size = self._other_size = 0
        self.is_receiving, self.began = True, self._now

    def on_url(self, url: bytes) -> None:
        self._url += url

    def on_header(self, name: bytes, value: bytes) -> None:
        if self._in_head:  # trailers are no headers: they come when the headers have been heeded
            text = value.decode("latin-1").rstrip(" \t")
            self._headers.append((name.lower().decode("latin-1"), text))

    def on_headers_complete(self) -> None:
        self._in_head, self._head_ended, self._head_size = False, True, 0
        if self._refused:
            return
        self._version = version = self._parser.get_http_version()
        if version not in _VERSIONS:
            self._refuse(505, f"HTTP/{version} is not spoken here: HTTP/1.1 is")
            return
        hosts, expects = 0, False
        for name, value in self._headers:
            if name == "host":
                hosts += 1
            elif name == "content-length" and int(value) > self._body_limit:
                limit = self._body_limit
                self._refuse(413, f"the body has {value} bytes, the limit is {limit}")
            elif name == "transfer-encoding":
                self._check_encoding(value)
            elif name == "expect":
                expects = value.lower() == "100-continue" and version == "1.1"
            elif name == "upgrade":
                self._upgrades = self._parser.should_upgrade()
        if hosts != 1 and (hosts or version == "1.1"):
            self._refuse(400, f"expected one Host header, got {hosts or 'none'}")
        if expects and not (self._refused or self._upgrades):
            self._to.expects_continue()

    def _check_encoding(self, value: str) -> None:
        if self._version == "1.0":
            self._refuse(400, "HTTP/1.0 has no Transfer-Encoding")
        elif value.lower() != "chunked":
            self._refuse(501, f"Transfer-Encoding: expected chunked, got {value[:100]!r}")

    def on_body(self, part: bytes) -> None:
        if self._refused:
            return
        self._body_came, self._other_size = True, 0
        self._body_size += len(part)
        if self._body_size > self._body_limit:
            limit = self._body_limit
            self._refuse(413, f"the body has more than the limit of {limit} bytes")
        else:
            self._body.append(part)

    def on_message_complete(self) -> None:
        self._in_head = True
        if self._refused or self._upgrades:
            return
        self.is_receiving = False
        try:
            path, query = split_target(self._url)
        except ValueError as error:
            self._refuse(400, f"the target is no URL: {error}")
            return
        method = self._parser.get_method().decode("latin-1")
        if method == "CONNECT":
            self._refuse(501, "CONNECT is for proxies, and this is none")
            return
        body = self._body[0] if len(self._body) == 1 else b"".join(self._body)
        self._body = []
        request = HttpRequest(method, path, query, tuple(self._headers), body)
        request.keep_alive = self._parser.should_keep_alive()
        request.http_1_0 = self._version == "1.0"
        self._to.arrived(request)
