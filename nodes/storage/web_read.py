"""A small file over http, into memory, with a bound on its size and on the time it takes."""

from __future__ import annotations

import http.client
import time
import urllib.error
import urllib.request
from urllib.parse import urlsplit

from umbel.graph.errors import InvalidInput
from umbel.nodes.descriptions import clip
from umbel.nodes.storage.url_policy import ForbiddenUrl, UrlPolicy
from umbel.nodes.storage.web_opening import opener

_BLOCK = 64 * 1024


def read_url(url: str, policy: UrlPolicy, *, most: int, timeout_s: float) -> bytes:
    """What the server at ``url`` sends. The policy is asked for the URL, each redirect and the
    address that is reached. A URL of a request is the client's: every failure is InvalidInput.
    """
    shown = clip(url, 200)
    end = time.monotonic() + timeout_s
    try:
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise InvalidInput(f"{shown}: expected an http or https URL")
        policy.check_host(parts.hostname, parts.port or (443 if parts.scheme == "https" else 80))
        request = urllib.request.Request(url)  # noqa: S310  http or https, see above
        with opener(policy).open(request, timeout=timeout_s) as reply:
            return _body(reply, shown, most, end)
    except ForbiddenUrl as error:
        raise InvalidInput(f"{shown}: {error}") from error
    except urllib.error.HTTPError as error:
        error.close()
        raise InvalidInput(f"{shown}: the server answers {error.code}") from None
    except (OSError, ValueError, http.client.HTTPException) as error:
        reason = getattr(error, "reason", "") or error
        raise InvalidInput(f"{shown} cannot be fetched: {reason}") from error


def _body(reply: http.client.HTTPResponse, shown: str, most: int, end: float) -> bytes:
    parts: list[bytes] = []
    size = 0
    while block := reply.read1(_BLOCK):
        parts.append(block)
        size += len(block)
        if size > most:
            raise InvalidInput(f"{shown}: more than {most:,} bytes")
        if time.monotonic() > end:
            raise InvalidInput(f"{shown}: it took too long to send")
    return b"".join(parts)
