"""Why a service gave no reply, in the words of Go's HTTP client: KServe's router puts them under
``cause`` in its answer, where people and their alerts look for them."""

from __future__ import annotations

import errno
import re
from urllib.parse import urlsplit

import aiohttp

_WORDS = {
    errno.ECONNREFUSED: "connect: connection refused",
    errno.ECONNRESET: "read: connection reset by peer",
    errno.EHOSTUNREACH: "connect: no route to host",
    errno.ENETUNREACH: "connect: network is unreachable",
    errno.ETIMEDOUT: "connect: connection timed out",
}

_NOT_IN_A_HOST = re.compile(r"[{}|\\^`\s\x00-\x1f\x7f]|%(?![89A-Fa-f][0-9A-Fa-f])")


def url_fault(url: str) -> str:
    """Why no request can be made to ``url``; empty if one can. Nothing is looked up."""
    try:
        parts = urlsplit(url)
        host = parts.netloc.rpartition("@")[2]
        odd = _NOT_IN_A_HOST.search(host)
        if odd:
            return f'parse "{url}": invalid character "{odd.group()}" in host name'
        if parts.scheme not in ("http", "https"):
            return f'Post "{url}": unsupported protocol scheme "{parts.scheme}"'
        _ = parts.port
    except ValueError as error:
        return f'parse "{url}": {error}'
    return "" if host else f'Post "{url}": http: no Host in request URL'


def reason(url: str, error: Exception) -> str:
    """The text for a failed call of ``url``."""
    if isinstance(error, aiohttp.InvalidURL):
        return f'parse "{url}": invalid URL'
    return f'Post "{url}": {_cause(error)}'


def _cause(error: Exception) -> str:
    if isinstance(error, aiohttp.ClientConnectorDNSError):
        return f"dial tcp: lookup {error.host}: no such host"
    if isinstance(error, aiohttp.ClientConnectorError):
        words = _WORDS.get(error.os_error.errno or 0, str(error.os_error))
        return f"dial tcp {error.host}:{error.port}: {words}"
    if isinstance(error, aiohttp.ServerDisconnectedError):
        return "EOF"
    if isinstance(error, aiohttp.ClientPayloadError):
        return "unexpected EOF"
    if isinstance(error, aiohttp.TooManyRedirects):
        return "stopped after 10 redirects"
    if isinstance(error, OSError) and error.errno in _WORDS:
        return _WORDS[error.errno]
    return str(error) or type(error).__name__
