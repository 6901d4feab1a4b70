"""Downloads one file over http: resumed where it broke off."""

from __future__ import annotations

import http.client
import json
import time
import urllib.error
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from umbel.graph.errors import DeclarationError
from umbel.nodes.storage import free_space
from umbel.nodes.storage.locations import Location
from umbel.nodes.storage.progress import Progress
from umbel.nodes.storage.url_policy import UrlPolicy
from umbel.nodes.storage.web_opening import NOTHING, open_url

ATTEMPTS = 5
PAUSES_S = (0.5, 2.0, 5.0, 15.0)
AGAIN = frozenset((408, 425, 429, 500, 502, 503, 504))
_BLOCK = 1 << 20


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
