"""What surrounds a gRPC call: its metadata and deadline as a request context, and back."""

from __future__ import annotations

import re
import time
from typing import Any

from umbel.nodes.request_context import RequestContext
from umbel.serving.http_app import PATH_HEADER, path_text

Trailers = tuple[tuple[str, str], ...]

_LONGEST_WAIT_S = 10 * 365 * 24 * 3600.0
_KEY = re.compile(r"[0-9a-z_.-]+")


def context_of(call: Any) -> RequestContext:
    """The context of a ``grpc.aio.ServicerContext``. Metadata are headers, but for binary ones."""
    pairs = tuple(
        (key, value)
        for key, value in call.invocation_metadata() or ()
        if isinstance(value, str) and not key.endswith("-bin")
    )
    headers = dict(pairs)
    context = RequestContext(headers=headers, header_list=pairs)
    asked = headers.get("x-request-id")
    if asked:
        context.id = asked[:200]
    remaining = call.time_remaining()
    if remaining is not None and remaining < _LONGEST_WAIT_S:
        context.deadline = time.monotonic() + remaining
    return context


def trailers_of(context: RequestContext) -> Trailers:
    """What HTTP would tell in headers: the request's id, headers that nodes set, and the path
    if the client asked for it."""
    told = {"x-request-id": context.id, **context.response_headers}
    if PATH_HEADER in context.headers:
        told[PATH_HEADER] = path_text(context)
    return tuple(
        (key.lower(), _ascii(value))
        for key, value in told.items()
        if _KEY.fullmatch(key.lower()) and not key.lower().endswith("-bin")
    )


def _ascii(value: str) -> str:
    return "".join(letter if " " <= letter <= "~" else "?" for letter in value)
