"""CloudEvents 1.0 around V1 bodies, binary and structured, read and answered as KServe does.

Binary: attributes in ``ce-*`` headers, the body is the data. Structured: the body is a JSON
object with the attributes and ``data`` (or ``data_base64``). A reply has the request's style.
"""

from __future__ import annotations

import base64
import binascii
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import Any, Literal
from urllib.parse import quote, unquote

import orjson

from umbel.graph.errors import InvalidInput
from umbel.nodes.descriptions import listing

STRUCTURED_TYPE = "application/cloudevents+json"

_REQUIRED = ("specversion", "id", "source", "type")
_VERSIONS = ("1.0", "0.3")
_HEADER_SAFE = "".join(chr(code) for code in range(0x21, 0x7F) if chr(code) not in '"%') + " "


@dataclass(frozen=True, eq=False)
class CloudEvent:
    """A request's event. ``data`` is parsed JSON, or bytes where the event says it is no JSON."""

    style: Literal["binary", "structured"]
    attributes: Mapping[str, str]
    data: Any


@dataclass(frozen=True)
class ReplyEvent:
    """How replies are marked; KServe reads these from CE_TYPE, CE_SOURCE and CE_MERGE.

    ``source`` empty means ``io.kserve.inference.<model>``. ``merge`` keeps the request's
    attributes except ``id`` and ``time``.
    """

    type: str = "io.kserve.inference.response"
    source: str = ""
    merge: bool = False


def decode_cloudevent(headers: Mapping[str, str], body: bytes) -> CloudEvent | None:
    """The event in a request, None if it is none. ``headers`` have lower-case names.

    Raises InvalidInput for an event that is broken.
    """
    content_type = headers.get("content-type", "")
    if content_type.startswith(STRUCTURED_TYPE):
        return _structured(body)
    if "ce-specversion" in headers and all(f"ce-{name}" in headers for name in _REQUIRED):
        return _binary(headers, body, content_type)
    return None


def encode_cloudevent(
    request: CloudEvent,
    model_name: str,
    data: bytes,
    reply: ReplyEvent | None = None,
    *,
    id: str = "",
    time: str = "",
) -> tuple[bytes, dict[str, str]]:
    """Body and headers of the reply; ``data`` is JSON that is written already.

    ``id`` and ``time`` are made up where they are not given.
    """
    settings = reply or ReplyEvent()
    attributes = dict(request.attributes) if settings.merge else {}
    attributes.pop("datacontenttype", None)
    attributes |= {
        "specversion": "1.0",
        "id": id or str(uuid.uuid4()),
        "source": settings.source or f"io.kserve.inference.{model_name}",
        "type": settings.type,
        "time": time or datetime.now(timezone.utc).isoformat(),
    }
    if request.style == "structured":
        event = {**attributes, "data": orjson.Fragment(data)}
        return orjson.dumps(event), {"content-type": STRUCTURED_TYPE}
    headers = {f"ce-{name}": quote(value, safe=_HEADER_SAFE) for name, value in attributes.items()}
    return data, {**headers, "content-type": "application/json"}


def _binary(headers: Mapping[str, str], body: bytes, content_type: str) -> CloudEvent:
    attributes = {
        name[3:]: unquote(value) for name, value in headers.items() if name.startswith("ce-")
    }
    if attributes["specversion"] not in _VERSIONS:
        raise InvalidInput(
            f"Cloud Event Exceptions: Found invalid specversion {attributes['specversion']}:"
            f" expected one of {listing(_VERSIONS)}"
        )
    data: Any = body
    try:
        data = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        if not content_type or "json" in content_type:
            raise InvalidInput(
                f"Failed to decode or parse binary json cloudevent: {error}"
            ) from None
    return CloudEvent("binary", attributes, data)


def _structured(body: bytes) -> CloudEvent:
    try:
        event = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise InvalidInput(f"Unrecognized request format: {error}") from None
    if not isinstance(event, dict) or any(name not in event for name in _REQUIRED):
        got = listing(event) if isinstance(event, dict) else "no object"
        raise InvalidInput(
            f"expected a structured CloudEvent with {listing(_REQUIRED)} and data, got {got}"
        )
    data = event.pop("data", None)
    encoded = event.pop("data_base64", None)
    if encoded is not None:
        try:
            data = orjson.loads(base64.b64decode(encoded, validate=True))
        except (binascii.Error, TypeError, ValueError) as error:
            raise InvalidInput(
                f"Failed to decode or parse binary json cloudevent: {error}"
            ) from None
    attributes = {
        name: value if isinstance(value, str) else str(value) for name, value in event.items()
    }
    return CloudEvent("structured", attributes, data)
