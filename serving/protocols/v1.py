"""KServe's V1 protocol: ``{"instances": [...]}`` in, ``{"predictions": [...]}`` out.

The texts of errors that KServe's own clients and tests know are KServe's, word for word.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import orjson

from umbel.graph.errors import InvalidInput
from umbel.nodes.descriptions import describe, listing
from umbel.serving.protocols.json_bodies import encode_json

V1Key = Literal["instances", "inputs"]

_EVENT_FIELDS = ("time", "type", "source", "id", "specversion", "data")


@dataclass(frozen=True, eq=False)
class V1Request:
    """``value`` is the list under ``key``; under ``inputs`` it may be a dict of columns.

    ``body`` is the whole parsed object: what a node sees that asks for the request itself.
    """

    key: V1Key
    value: Any
    body: Mapping[str, Any]


def parse_json(body: bytes) -> Any:
    """Any JSON value. Raises InvalidInput with KServe's words."""
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise InvalidInput(f"Unrecognized request format: {error}") from None


def decode_predict(body: bytes) -> V1Request:
    """The V1 request in ``body``. Raises InvalidInput."""
    return read_predict(parse_json(body))


def read_predict(parsed: object) -> V1Request:
    """The V1 request in parsed JSON; ``inputs`` wins where both are given, as in KServe.

    An object that looks like a structured CloudEvent is opened, whatever its content type was.
    """
    if isinstance(parsed, dict) and all(field in parsed for field in _EVENT_FIELDS):
        parsed = parsed["data"]
    if not isinstance(parsed, dict):
        raise InvalidInput(
            f'Unrecognized request format: expected an object with "instances" or "inputs",'
            f" got {describe(parsed)}"
        )
    if "inputs" in parsed:
        value = parsed["inputs"]
        if not isinstance(value, (list, dict)):
            raise InvalidInput('Expected "inputs" to be a list')
        return V1Request("inputs", value, parsed)
    if "instances" in parsed:
        value = parsed["instances"]
        if not isinstance(value, list):
            raise InvalidInput('Expected "instances" to be a list')
        return V1Request("instances", value, parsed)
    raise InvalidInput(
        f'Expected "instances" or "inputs" in the request body, got keys {listing(parsed)}'
    )


def encode_predictions(value: object) -> bytes:
    """``{"predictions": value}``, compact. Raises RequestFailed if it has no JSON form."""
    return encode_json({"predictions": value})


def encode_explanations(value: object) -> bytes:
    """The reply of ``:explain``; an object that has the key already is sent as it is, and so is
    an explanation of alibi's form, as KServe's alibi server sent it."""
    if isinstance(value, Mapping) and ("explanations" in value or {"meta", "data"} <= set(value)):
        return encode_json(value)
    return encode_json({"predictions": [], "explanations": value})
