"""Errors ⇄ gRPC status. umbel's errors carry an HTTP status; each has one gRPC code."""

from __future__ import annotations

import grpc
import orjson

from umbel.graph.errors import UpstreamAnswered
from umbel.nodes.descriptions import clip
from umbel.serving.protocols.error_bodies import error_text

_CODES = {
    400: grpc.StatusCode.INVALID_ARGUMENT,
    401: grpc.StatusCode.UNAUTHENTICATED,
    403: grpc.StatusCode.PERMISSION_DENIED,
    404: grpc.StatusCode.NOT_FOUND,
    405: grpc.StatusCode.UNIMPLEMENTED,
    408: grpc.StatusCode.DEADLINE_EXCEEDED,
    413: grpc.StatusCode.RESOURCE_EXHAUSTED,
    429: grpc.StatusCode.RESOURCE_EXHAUSTED,
    501: grpc.StatusCode.UNIMPLEMENTED,
    502: grpc.StatusCode.UNAVAILABLE,
    503: grpc.StatusCode.UNAVAILABLE,
    504: grpc.StatusCode.DEADLINE_EXCEEDED,
}

_ANSWERS = {
    grpc.StatusCode.INVALID_ARGUMENT: 400,
    grpc.StatusCode.OUT_OF_RANGE: 400,
    grpc.StatusCode.FAILED_PRECONDITION: 400,
    grpc.StatusCode.UNAUTHENTICATED: 401,
    grpc.StatusCode.PERMISSION_DENIED: 403,
    grpc.StatusCode.NOT_FOUND: 404,
    grpc.StatusCode.RESOURCE_EXHAUSTED: 429,
    grpc.StatusCode.UNIMPLEMENTED: 501,
    grpc.StatusCode.INTERNAL: 500,
}

ERROR_STATUS = "status"
"""The parameter of a stream's error that has its HTTP status: ``error_message`` is a text only."""

_LONGEST_TEXT = 500
"""Characters. The text travels in a header, percent-encoded; clients take 8 KiB of headers."""


def status_of(error: BaseException, request_id: str = "") -> tuple[grpc.StatusCode, str]:
    """Code and text for ``error``. What is not one of ours is INTERNAL and shows no cause."""
    status, text = http_status_of(error, request_id)
    default = grpc.StatusCode.INVALID_ARGUMENT if status < 500 else grpc.StatusCode.INTERNAL
    return _CODES.get(status, default), clip(text, _LONGEST_TEXT)


def http_status_of(error: BaseException, request_id: str = "") -> tuple[int, str]:
    """As ``status_of``, with the status that HTTP would have."""
    if isinstance(error, UpstreamAnswered):
        return error.code, _error_of(error.body)
    return error_text(error, request_id)


def answered_status(code: grpc.StatusCode) -> int | None:
    """The HTTP status of a server's answer; ``None`` for a code that says there was none."""
    return _ANSWERS.get(code)


def _error_of(body: bytes) -> str:
    """The text in ``{"error": text}``, or the whole body."""
    try:
        parsed = orjson.loads(body)
    except orjson.JSONDecodeError:
        parsed = None
    text = parsed.get("error") if isinstance(parsed, dict) else None
    return text if isinstance(text, str) else body.decode("utf-8", "replace")
