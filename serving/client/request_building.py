"""Arrays and plain values → requests. Every mistake is an ``InvalidInput``, before sending."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from umbel.graph.errors import InvalidInput, RequestFailed
from umbel.serving.protocols.datatypes import tensor_of
from umbel.serving.protocols.json_bodies import encode_json
from umbel.serving.protocols.payload import InferRequest, RequestedOutput


def infer_request(
    inputs: Mapping[str, object],
    outputs: Sequence[str],
    parameters: Mapping[str, object] | None,
    id: str,
    binary: bool,
) -> InferRequest:
    """``inputs`` by name: arrays, or what numpy makes arrays of. No ``outputs`` means all."""
    if not inputs:
        raise InvalidInput("expected at least one input")
    tensors = tuple(tensor_of(name, _array(name, value)) for name, value in inputs.items())
    asked = tuple(RequestedOutput(name, binary) for name in outputs)
    return InferRequest(tensors, id, dict(parameters or {}), asked, binary and not asked)


def json_body(value: object) -> bytes:
    """``value`` as JSON, arrays as lists."""
    try:
        return encode_json(value)
    except RequestFailed as error:
        raise InvalidInput(f"the request has no JSON form: {error}") from error


def generate_body(inputs: object) -> bytes:
    """Triton's generate: inputs by name, or a text."""
    if isinstance(inputs, str):
        inputs = {"text_input": inputs}
    if not isinstance(inputs, Mapping):
        kind = type(inputs).__name__
        raise InvalidInput(f"expected inputs by name, {{'name': value}}, or a text, got {kind}")
    return json_body(dict(inputs))


def _array(name: str, value: object) -> np.ndarray[tuple[int, ...], np.dtype[np.generic]]:
    try:
        return np.asarray(value)
    except ValueError as error:
        raise InvalidInput(f"input {name!r}: expected an array: {error}") from error
