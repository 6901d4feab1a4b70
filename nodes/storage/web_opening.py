"""Opens URLs: each address is checked, and secrets go to their own host only.

The policy is asked for the URL, for every redirect, and once more for the address that the
socket is connected to: a name that resolves differently the second time gains nothing.
"""

from __future__ import annotations

import base64
import functools
import http.client
import json
import os
import socket
import ssl
import urllib.request
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any
from urllib.parse import unquote, urlsplit

from umbel.graph.errors import DeclarationError
from umbel.nodes.storage.url_policy import UrlPolicy

TIMEOUT_S = 30.0
"""Seconds without a byte after which an attempt is given up."""

NOTHING: Mapping[str, str] = MappingProxyType({})


def open_url(
    url: str,
    policy: UrlPolicy,
    headers: Mapping[str, str],
    private: Mapping[str, str] = NOTHING,
    *,
    method: str = "GET",
    body: bytes | None = None,
) -> Any:
    """The server's answer, open for reading. ``private`` headers go to this host only. Raises
    ForbiddenUrl, and what ``urllib`` raises."""
    request = urllib.request.Request(_bare(url), body, method=method)  # noqa: S310
    for name, value in {**_own_headers(url), **private}.items():
        request.add_unredirected_header(name, value)
    for name, value in headers.items():
        request.add_header(name, value)
    request.add_header("Accept-Encoding", "identity")
    request.add_header("User-Agent", "umbel")
    _check(request.full_url, policy)
    return opener(policy).open(request, timeout=TIMEOUT_S)


def _bare(url: str) -> str:
    parts = urlsplit(url)
    return parts._replace(netloc=parts.netloc.rpartition("@")[2], fragment="").geturl()


def _own_headers(url: str) -> dict[str, str]:
    """For this host only: what the URL and KServe's variable ``HOST-headers`` say."""
    parts = urlsplit(url)
    found: dict[str, str] = {}
    if parts.username:
        secret = f"{unquote(parts.username)}:{unquote(parts.password or '')}".encode()
        found["Authorization"] = f"Basic {base64.b64encode(secret).decode()}"
    variable = f"{parts.hostname}-headers"
    try:
        found.update(_headers(os.environ.get(variable) or "{}"))
    except (ValueError, TypeError):
        raise DeclarationError(
            f"the variable {variable!r} is no JSON object, nor lines of NAME: VALUE"
        ) from None
    return {str(name): str(value) for name, value in found.items()}


def _headers(text: str) -> Mapping[str, Any]:
    """JSON, or what KServe's Secrets hold: a header a line."""
    if text.lstrip().startswith("{"):
        found: dict[str, Any] = json.loads(text)
        return found
    lines = [line.partition(":") for line in text.splitlines() if line.strip()]
    if not all(colon for _, colon, _ in lines):
        raise ValueError
    return {name.strip(): value.strip() for name, _, value in lines}


def _check(url: str, policy: UrlPolicy) -> None:
    parts = urlsplit(url)
    policy.check_host(parts.hostname or "", parts.port or (443 if parts.scheme == "https" else 80))


class _Redirects(urllib.request.HTTPRedirectHandler):
    def __init__(self, policy: UrlPolicy) -> None:
        self._policy = policy

    def redirect_request(
        self, req: Any, fp: Any, code: int, msg: str, headers: Any, newurl: str
    ) -> urllib.request.Request | None:
        if req.type == "https" and urlsplit(newurl).scheme != "https":
            raise DeclarationError(f"{req.host} redirects from https to {newurl.partition(':')[0]}")
        _check(newurl, self._policy)
        followed = super().redirect_request(req, fp, code, msg, headers, newurl)
        if followed is not None:
            followed.method = req.get_method()
            for name, value in _own_headers(newurl).items():
                followed.add_unredirected_header(name, value)
        return followed


def _checked(connection: Any, policy: UrlPolicy) -> Any:
    """``connection`` made to ask the policy for the address it reached, before it sends."""
    plain = connection._create_connection

    def create(address: tuple[str, int], *args: Any, **kwargs: Any) -> socket.socket:
        made: socket.socket = plain(address, *args, **kwargs)
        try:
            policy.check_address(str(made.getpeername()[0]), address[0])
        except BaseException:
            made.close()
            raise
        return made

    connection._create_connection = create
    return connection


class _Http(urllib.request.HTTPHandler):
    def __init__(self, policy: UrlPolicy) -> None:
        super().__init__()
        self._policy = policy

    def http_open(self, req: urllib.request.Request) -> Any:
        def made(host: str, **options: Any) -> Any:
            return _checked(http.client.HTTPConnection(host, **options), self._policy)

        return self.do_open(made, req)


class _Https(urllib.request.HTTPSHandler):
    def __init__(self, policy: UrlPolicy) -> None:
        self._tls = ssl.create_default_context()
        super().__init__(context=self._tls)
        self._policy = policy

    def https_open(self, req: urllib.request.Request) -> Any:
        def made(host: str, **options: Any) -> Any:
            return _checked(http.client.HTTPSConnection(host, **options), self._policy)

        return self.do_open(made, req, context=self._tls)


@functools.lru_cache(maxsize=8)
def opener(policy: UrlPolicy) -> urllib.request.OpenerDirector:
    """Without file, ftp and data URLs. A proxy is asked only where private addresses are
    allowed: behind it, nobody sees which address a name means."""
    opener = urllib.request.OpenerDirector()
    if policy.allow_private:
        opener.add_handler(urllib.request.ProxyHandler())
    for handler in (
        _Http(policy), _Https(policy), _Redirects(policy),
        urllib.request.HTTPErrorProcessor(), urllib.request.HTTPDefaultErrorHandler(),
    ):  # fmt: skip
        opener.add_handler(handler)
    return opener
