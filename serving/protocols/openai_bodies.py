"""What OpenAI's API answers apart from a model's own answer: errors and lists of models."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import orjson

from umbel.graph.errors import ClientError
from umbel.nodes.openai_requests import OpenAiRefusal
from umbel.serving.protocols.error_bodies import error_text
from umbel.serving.protocols.json_bodies import encode_json
from umbel.serving.protocols.server_sent_events import DONE, event
from umbel.serving.wire import JSON, Reply


def error_of(error: BaseException, request_id: str) -> tuple[int, bytes]:
    """Status and body in OpenAI's form; ``code`` is the status, as KServe has it."""
    status, text = error_text(error, request_id)
    known = "invalid_request_error" if isinstance(error, ClientError) else "server_error"
    param = error.param or None if isinstance(error, OpenAiRefusal) else None
    return status, _error(status, text, known, param)


def _error(status: int, text: str, kind: str, param: str | None) -> bytes:
    told = {"message": text, "type": kind, "param": param, "code": str(status)}
    return orjson.dumps({"error": told})


def error_reply(error: BaseException, request_id: str) -> Reply:
    """The reply for ``error``."""
    status, body = error_of(error, request_id)
    return Reply(status, body, dict(JSON))


def answer_reply(answer: Any) -> Reply:
    """A model's answer. One that is an error itself, as KServe's classes give, has its status."""
    status = 200
    if isinstance(answer, dict) and isinstance(answer.get("error"), dict):
        code = str(answer["error"].get("code", ""))
        status = int(code) if code.isdigit() and 400 <= int(code) < 600 else 500
    if isinstance(answer, (str, bytes)):
        body = answer.encode() if isinstance(answer, str) else answer
        return Reply(status, body, dict(JSON))
    return Reply(status, encode_json(answer), dict(JSON))


def chunk_event(chunk: Any) -> bytes:
    """A chunk as an event. Models that write events themselves are taken at their word, but for
    the end, which comes once."""
    if isinstance(chunk, bytes):
        chunk = chunk.decode("utf-8", "replace")
    if not isinstance(chunk, str):
        return event(encode_json(chunk))
    text = chunk.strip()
    if not text or text in {"data: [DONE]", "[DONE]"}:
        return b""
    written = text if text.startswith(("data:", "event:", ":")) else f"data: {text}"
    return written.removesuffix(DONE.decode().strip()).strip().encode() + b"\n\n"


def model_object(name: str, created: int) -> dict[str, Any]:
    """One model."""
    return {"id": name, "object": "model", "created": created, "owned_by": ""}


def model_list(names: Iterable[str], created: int) -> dict[str, Any]:
    """``GET /openai/v1/models``."""
    return {"object": "list", "data": [model_object(name, created) for name in names]}
