"""Downloads one file over http: resumed where it broke off, and each address checked.

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
import time
import urllib.error
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any
from urllib.parse import unquote, urlsplit

from umbel.graph.errors import DeclarationError
from umbel.nodes.storage import free_space
from umbel.nodes.storage.locations import Location
from umbel.nodes.storage.progress import Progress
from umbel.nodes.storage.url_policy import UrlPolicy

TIMEOUT_S = 30.0
"""Seconds without a byte after which an attempt is given up."""

ATTEMPTS = 5
PAUSES_S = (0.5, 2.0, 5.0, 15.0)
AGAIN = frozenset((408, 425, 429, 500, 502, 503, 504))
_BLOCK = 1 << 20
NOTHING: Mapping[str, str] = MappingProxyType({})


@dataclass(frozen=True)
class WebFile:
    """What a server says of a file: if ``validator`` changes, so did the file."""

    validator: str
    size: int
    name: str


class NotSignedIn(DeclarationError):
    """The server wants to know who asks, or does not know the answer (401)."""


class _Interrupted(Exception):
    """Worth another attempt."""


def look(location: Location, policy: UrlPolicy) -> WebFile | None:
    """What the server says now; None if it does not answer HEAD. Raises ForbiddenUrl."""
    try:
        with open_url(location.address, policy, {}, method="HEAD") as reply:
            return _described(reply, location)
    except (OSError, http.client.HTTPException):
        return None


def download(
    location: Location,
    into: Path,
    policy: UrlPolicy,
    attempts: int = ATTEMPTS,
    private: Mapping[str, str] = NOTHING,
) -> Path:
    """The file in the folder ``into``, going on where an earlier attempt broke off. ``private``
    headers are sent to the address itself, not to where it redirects.

    Raises DeclarationError, saying what to do; what is there by then is kept.
    """
    part = into / "download.part"
    reason = ""
    for attempt in range(attempts):
        if attempt:
            time.sleep(PAUSES_S[attempt - 1])
        try:
            return part.replace(into / _attempt(location, part, policy, private).name)
        except _Interrupted as error:
            reason = str(error)
        except urllib.error.HTTPError as error:
            error.close()
            if error.code == 416:  # what is there is not the beginning of this file
                part.unlink(missing_ok=True)
            elif error.code not in AGAIN:
                raise _answered(location, error) from None
            reason = f"the server answers {error.code}"
        except (OSError, http.client.HTTPException) as error:
            if isinstance(error, OSError) and free_space.is_full(error):
                part.unlink(missing_ok=True)
                raise free_space.full(into, location.shown) from error
            reason = str(getattr(error, "reason", "") or error) or type(error).__name__
    raise DeclarationError(
        f"{location.shown} could not be downloaded ({attempts} attempts): {reason}; is the "
        "address right, and can this machine reach it?"
    )


def _attempt(
    location: Location, part: Path, policy: UrlPolicy, private: Mapping[str, str]
) -> WebFile:
    note = part.with_suffix(".json")
    have, validator = _begun(part, note)
    headers = {"Range": f"bytes={have}-", "If-Range": validator} if have else {}
    with open_url(location.address, policy, headers, private) as reply:
        whole = _described(reply, location)
        start = have if reply.status == 206 else 0
        if start and not reply.headers.get("Content-Range", "").startswith(f"bytes {start}-"):
            raise _Interrupted("the server sends another part than was asked for")
        _refuse_pages(reply, whole, location)
        free_space.require(max(0, whole.size - start), part.parent, location.shown)
        note.write_text(json.dumps({"validator": whole.validator}))
        progress = Progress(location.shown, whole.size)
        done = start
        with part.open("r+b" if start else "wb") as file:
            file.seek(start)
            while block := reply.read(_BLOCK):
                file.write(block)
                done += len(block)
                progress.add(len(block))
    if whole.size and done != whole.size:
        raise _Interrupted(f"the connection ended after {done:,} of {whole.size:,} bytes")
    note.unlink()
    return whole


def _begun(part: Path, note: Path) -> tuple[int, str]:
    """Bytes of an earlier attempt and what tells that the file is still the same."""
    try:
        validator = json.loads(note.read_text())["validator"]
        return (part.stat().st_size, validator) if validator else (0, "")
    except (OSError, ValueError, KeyError):
        return 0, ""


def _described(reply: Any, location: Location) -> WebFile:
    headers = reply.headers
    size = int(headers.get("Content-Length") or 0)
    span = headers.get("Content-Range", "")
    if reply.status == 206 and span.rpartition("/")[2].isdigit():
        size = int(span.rpartition("/")[2])
    etag = headers.get("ETag", "")
    strong = "" if etag.startswith("W/") else etag
    disposed = headers.get_filename() or location.name
    name = Path(disposed.replace("\\", "/")).name
    return WebFile(strong or headers.get("Last-Modified", ""), size, name or location.name)


def _refuse_pages(reply: Any, file: WebFile, location: Location) -> None:
    if reply.headers.get_content_type() == "text/html" and not file.name.endswith("html"):
        raise DeclarationError(
            f"{location.shown} answers with a web page, not with a model: is a login needed? "
            f"Headers for it go into the environment variable '{_host(location)}-headers' as JSON"
        )


def _answered(location: Location, error: urllib.error.HTTPError) -> DeclarationError:
    hint = {
        401: f"set headers for it in the environment variable '{_host(location)}-headers'",
        403: f"set headers for it in the environment variable '{_host(location)}-headers'",
        404: "is the address right?",
        410: "it is gone: name another address",
    }.get(error.code, "")
    kind = NotSignedIn if error.code == 401 else DeclarationError
    return kind(f"{location.shown}: the server answers {error.code}; {hint}")


def _host(location: Location) -> str:
    return urlsplit(location.address).hostname or ""


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
