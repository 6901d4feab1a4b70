"""A server's error answer → the exception that the server itself would have raised."""

from __future__ import annotations

import orjson

from umbel.graph.errors import (
    BodyTooLarge,
    DeadlineExceeded,
    InvalidInput,
    MethodNotAllowed,
    NotFound,
    NotImplementedHere,
    NotReady,
    UmbelError,
    UpstreamAnswered,
)

_BY_STATUS: dict[int, type[UmbelError]] = {
    400: InvalidInput,
    404: NotFound,
    405: MethodNotAllowed,
    413: BodyTooLarge,
    501: NotImplementedHere,
    503: NotReady,
    504: DeadlineExceeded,
}


def answered(status: int, body: bytes, content_type: str, url: str) -> UmbelError:
    """The error for an answer with an error status; all others are an ``UpstreamAnswered``,
    which has ``code`` and ``body``."""
    kind = _BY_STATUS.get(status)
    if kind is None:
        return UpstreamAnswered(status, body, content_type)
    return kind(f"{url}: {status} {_text(body)}".rstrip())


def _text(body: bytes) -> str:
    """The text of ``{"error": text}`` (V2, KServe) or ``{"detail": text}``, else the body's
    beginning."""
    try:
        parsed = orjson.loads(body)
    except orjson.JSONDecodeError:
        parsed = None
    if isinstance(parsed, dict):
        for key in ("error", "detail", "message"):
            if isinstance(parsed.get(key), str):
                return str(parsed[key])
    return body[:500].decode("utf-8", "replace")
