"""Server-sent events: ``data: <json>``, an empty line, and so on.

What they carry is JSON without line breaks, so that an event is one line.
"""

from __future__ import annotations

from collections.abc import Mapping

from umbel.serving.protocols.error_bodies import error_reply

MEDIA_TYPE = "text/event-stream"

HEADERS = {
    "content-type": f"{MEDIA_TYPE}; charset=utf-8",
    "cache-control": "no-cache",
    "x-accel-buffering": "no",  # asks proxies of nginx's kind to pass on each event at once
}

DONE = b"data: [DONE]\n\n"
"""What ends a stream of OpenAI's API."""


def event(data: bytes) -> bytes:
    """One event. ``data`` has no line break in it."""
    return b"data: " + data + b"\n\n"


def error_event(error: BaseException, request_id: str) -> bytes:
    """The event that ends a stream which cannot go on: ``{"error": text, "status": status}``,
    the HTTP status that the error would have had before the stream began."""
    reply = error_reply(error, request_id)
    return event(reply.body[:-1] + b',"status":%d}' % reply.status)


def accepted(headers: Mapping[str, str]) -> bool:
    """Whether the client takes events."""
    return MEDIA_TYPE in headers.get("accept", "")
