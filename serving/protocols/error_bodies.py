"""Errors → status, JSON body, headers. V1, V2 and graph calls share ``{"error": text}``.

A client's mistake shows its message. A fault of ours shows the name of the node and the
request id, never the cause: that goes to the log.
"""

from __future__ import annotations

from typing import NamedTuple

import orjson

from umbel.graph.errors import (
    ClientError,
    NodeFailed,
    NotFound,
    NotReady,
    ServingError,
    UmbelError,
)
from umbel.nodes.descriptions import clip

RETRY_AFTER_SECONDS = 1
"""What a 503 tells a client to wait: a model that loads, loads within seconds."""

_LONGEST_TEXT = 4000


class ErrorReply(NamedTuple):
    """Everything a server needs to answer."""

    status: int
    body: bytes
    headers: dict[str, str]


def error_reply(error: BaseException, request_id: str = "") -> ErrorReply:
    """The reply for ``error``. What is not one of ours is a 500 that names the request only."""
    status, text = error_text(error, request_id)
    headers = {"content-type": "application/json"}
    if request_id:
        headers["x-request-id"] = request_id
    if status == 503:
        headers["retry-after"] = str(RETRY_AFTER_SECONDS)
    return ErrorReply(status, _body(text), headers)


def error_text(error: BaseException, request_id: str = "") -> tuple[int, str]:
    """The HTTP status of ``error``, and what a client may read of it."""
    if isinstance(error, NodeFailed):
        return 500, str(NodeFailed(error.node, error.request_id or request_id))
    if isinstance(error, (ClientError, ServingError)):
        return error.status, str(error) or type(error).__name__
    if isinstance(error, UmbelError):
        return error.status, str(error)
    suffix = f" (request {request_id})" if request_id else ""
    return 500, f"internal server error{suffix}"


def model_not_found(name: str) -> NotFound:
    """KServe's words for an unknown model."""
    return NotFound(f"Model with name {clip(name)} does not exist.")


def model_not_ready(name: str) -> NotReady:
    """KServe's words for a model that is loading or unloaded."""
    return NotReady(f"Model with name {name} is not ready.")


def _body(text: str) -> bytes:
    clean = clip(text, _LONGEST_TEXT).encode("utf-8", "replace").decode()
    return orjson.dumps({"error": clean})
