"""V2 JSON (with binary tensors behind it) → payloads. Every mistake is an InvalidInput."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import orjson

from umbel.graph.errors import InvalidInput
from umbel.graph.value_types import OIP_TO_DTYPE
from umbel.nodes.descriptions import clip, describe, listing
from umbel.nodes.nested_lists import MAX_RANK, array_from_list
from umbel.serving.protocols.binary_tensors import tensor_from_bytes
from umbel.serving.protocols.classification import PARAMETER as CLASSIFICATION
from umbel.serving.protocols.datatypes import held_as, require_datatype
from umbel.serving.protocols.payload import Array, Parameters, Tensor

HEADER_LENGTH = "Inference-Header-Content-Length"
"""The header that says how many bytes of the body are JSON."""

_LARGEST = 2**63 - 1
_UNSUPPORTED = ("shared_memory_region", CLASSIFICATION)


def split_body(
    body: bytes | bytearray, content_type: str, header_length: str | None
) -> tuple[dict[str, Any], memoryview]:
    """The parsed JSON object, and the binary data behind it."""
    json_part: bytes | bytearray | memoryview = body
    tail = memoryview(b"")
    if header_length is not None:
        length = _header_length(header_length, len(body))
        view = memoryview(body)
        json_part, tail = view[:length], view[length:]
    elif content_type.startswith("application/octet-stream"):
        raise InvalidInput(
            f"received byte inputs, but the '{HEADER_LENGTH}' header is missing:"
            " it has to give the length of the JSON part"
        )
    try:
        parsed = orjson.loads(json_part)
    except orjson.JSONDecodeError as error:
        raise InvalidInput(f"Unrecognized request format: {error}") from None
    if not isinstance(parsed, dict):
        raise InvalidInput(f"expected a JSON object, got {describe(parsed)}")
    return parsed, tail


def read_tensors(
    items: object, key: str, tail: memoryview, *, null_is_nan: bool = False
) -> tuple[Tensor, ...]:
    """The tensors under ``inputs`` or ``outputs``, binary ones taken from ``tail`` in order."""
    if not isinstance(items, list):
        got = "nothing" if items is None else describe(items)
        raise InvalidInput(f'expected "{key}" to be a list of tensors, got {got}')
    tensors: list[Tensor] = []
    offset = 0
    for index, item in enumerate(items):
        tensor, size = _read_tensor(item, f"{key}[{index}]", key, tail, offset, null_is_nan)
        tensors.append(tensor)
        offset += size
    if offset != len(tail):
        raise InvalidInput(
            f"expected {offset} bytes of binary data after the JSON (the sum of"
            f" binary_data_size), got {len(tail)}"
        )
    if len(tensors) > 1:
        names = [tensor.name for tensor in tensors]
        if len(set(names)) != len(names):
            raise InvalidInput(f'expected distinct names in "{key}", got {listing(names)}')
    return tuple(tensors)


def read_parameters(value: object, what: str, *, classes: bool = False) -> Parameters:
    """A parameters object; absent and null are empty. ``classes``: an output's, which may ask
    for its highest classes."""
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise InvalidInput(f"{what}: expected parameters to be an object, got {describe(value)}")
    for name in _UNSUPPORTED:
        if name in value and not (classes and name == CLASSIFICATION):
            raise InvalidInput(f"{what}: the parameter {name!r} is not supported")
    return value


def read_flag(parameters: Mapping[str, object], name: str, what: str) -> bool:
    """A boolean parameter; absent is false."""
    value = parameters.get(name, False)
    if not isinstance(value, bool):
        raise InvalidInput(f"{what}: expected {name} to be true or false, got {describe(value)}")
    return value


def read_name(item: object, what: str) -> str:
    """The name in an input or output object."""
    if not isinstance(item, dict):
        raise InvalidInput(f"{what}: expected an object, got {describe(item)}")
    name = item.get("name")
    if not isinstance(name, str) or not name:
        got = "nothing" if name is None else describe(name)
        raise InvalidInput(f'{what}: expected "name" to be a non-empty string, got {got}')
    return name


def _read_tensor(
    item: Any, what: str, key: str, tail: memoryview, offset: int, null_is_nan: bool
) -> tuple[Tensor, int]:
    name = read_name(item, what)
    what = f"{key[:-1]} {clip(name)!r}"
    datatype = require_datatype(item.get("datatype"), what)
    shape = read_shape(item.get("shape"), what)
    parameters = read_parameters(item.get("parameters"), what)
    data, size = item.get("data"), parameters.get("binary_data_size")
    if size is None:
        array = _from_json(data, datatype, shape, what, null_is_nan)
        return Tensor(name, datatype, shape, array, parameters), 0
    if data is not None:
        raise InvalidInput(f"{what}: expected data or binary_data_size, got both")
    if type(size) is not int or size < 0:
        raise InvalidInput(
            f"{what}: expected binary_data_size to be a size in bytes, got {describe(size)}"
        )
    if offset + size > len(tail):
        raise InvalidInput(
            f"{what}: expected {size} bytes of binary data (binary_data_size),"
            f" got {len(tail) - offset}"
        )
    array = tensor_from_bytes(tail[offset : offset + size], datatype, shape, what)
    kept = {name: value for name, value in parameters.items() if name != "binary_data_size"}
    return Tensor(name, held_as(datatype), shape, array, kept), size


def _from_json(
    data: object, datatype: str, shape: tuple[int, ...], what: str, null_is_nan: bool
) -> Array:
    if not isinstance(data, list):
        got = "nothing" if data is None else describe(data)
        raise InvalidInput(f'{what}: expected "data" to be a list, got {got}')
    if datatype == "BF16" or (datatype == "FP16" and data):
        raise InvalidInput(
            f"{what}: {datatype} data via JSON is not supported."
            " Please use the binary data format or send FP32"
        )
    dtype = "bytes" if datatype == "BYTES" else OIP_TO_DTYPE[datatype]
    array = array_from_list(data, dtype, what, null_is_nan=null_is_nan)
    if array.shape == shape:
        return array
    if array.ndim == 1 and array.size == math.prod(shape):
        return array.reshape(shape)
    raise InvalidInput(
        f"{what}: expected {math.prod(shape)} elements for shape {list(shape)}, flat or nested"
        f" like it, got {array.size} elements in a list of shape {list(array.shape)}"
    )


def read_shape(value: object, what: str) -> tuple[int, ...]:
    """A shape whose product cannot overflow. Raises InvalidInput."""
    if not isinstance(value, list):
        got = "nothing" if value is None else describe(value)
        raise InvalidInput(f'{what}: expected "shape" to be a list of lengths, got {got}')
    if len(value) > MAX_RANK:
        raise InvalidInput(f"{what}: expected at most {MAX_RANK} dimensions, got {len(value)}")
    total = 1
    for length in value:
        if type(length) is not int or length < 0:
            raise InvalidInput(
                f"{what}: expected lengths of 0 or more in the shape, got {describe(length)}"
            )
        total *= length or 1
    if total > _LARGEST // 8:
        raise InvalidInput(f"{what}: expected a shape that fits memory, got {clip(str(value))}")
    return tuple(value)


def _header_length(text: str, body_length: int) -> int:
    if not (text.isascii() and text.strip().isdigit() and len(text) < 20):
        raise InvalidInput(
            f"expected the {HEADER_LENGTH} header to be a number of bytes, got {clip(text)!r}"
        )
    length = int(text)
    if length > body_length:
        raise InvalidInput(
            f"expected {length} bytes of JSON ({HEADER_LENGTH}), got a body of {body_length}"
        )
    return length
