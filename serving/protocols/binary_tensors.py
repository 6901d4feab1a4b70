"""The binary tensor extension: raw little-endian, row-major data behind the JSON.

BYTES elements are each preceded by their length as a 4-byte unsigned integer, BOOL is a byte
of 0 or 1.
"""

from __future__ import annotations

import math
import struct

import numpy as np

from umbel.graph.errors import InvalidInput
from umbel.serving.protocols.datatypes import WIRE_DTYPES
from umbel.serving.protocols.payload import Array, Tensor

_LENGTH = struct.Struct("<I")
_HALVES = np.dtype("<u2")
"""BF16: the upper half of an FP32."""


def tensor_from_bytes(data: memoryview, datatype: str, shape: tuple[int, ...], what: str) -> Array:
    """The array in ``data``; a copy, so that it is aligned, writable and frees the body.

    Raises InvalidInput if the size does not fit the shape.
    """
    count = math.prod(shape)
    if datatype == "BYTES":
        return _elements(data, count, what).reshape(shape)
    dtype = _HALVES if datatype == "BF16" else WIRE_DTYPES[datatype]
    if len(data) != count * dtype.itemsize:
        raise InvalidInput(
            f"{what}: expected {count * dtype.itemsize} bytes for {datatype} of shape"
            f" {list(shape)}, got {len(data)}"
        )
    if datatype == "BOOL":
        return np.frombuffer(data, dtype=np.uint8).astype(bool).reshape(shape)
    if datatype == "BF16":
        high = np.frombuffer(data, dtype=dtype).astype(np.uint32) << 16
        return high.view(np.float32).reshape(shape)
    return np.frombuffer(data, dtype=dtype).astype(dtype.newbyteorder("=")).reshape(shape)


def tensor_to_bytes(tensor: Tensor) -> bytes | memoryview:
    """The tensor's elements as the extension wants them; a view where they lie so already."""
    if tensor.datatype != "BYTES":
        array = np.ascontiguousarray(tensor.array, dtype=WIRE_DTYPES[tensor.datatype])
        return array.reshape(-1).view(np.uint8).data if array.size else b""
    parts: list[bytes] = []
    for element in tensor.array.reshape(-1).tolist():
        parts.append(_LENGTH.pack(len(element)))
        parts.append(element)
    return b"".join(parts)


def _elements(data: memoryview, count: int, what: str) -> Array:
    if count * 4 > len(data):
        raise InvalidInput(
            f"{what}: expected {count} BYTES elements, each with a 4-byte length,"
            f" got {len(data)} bytes"
        )
    elements: Array = np.empty(count, dtype=object)
    offset = 0
    for index in range(count):
        if offset + 4 > len(data):
            raise InvalidInput(f"{what}: expected {count} BYTES elements, got {index}")
        (length,) = _LENGTH.unpack_from(data, offset)
        offset += 4
        if offset + length > len(data):
            raise InvalidInput(
                f"{what}: expected {length} bytes in element {index}, got {len(data) - offset}"
            )
        elements[index] = bytes(data[offset : offset + length])
        offset += length
    if offset != len(data):
        raise InvalidInput(
            f"{what}: expected {count} BYTES elements in {offset} bytes, got {len(data)} bytes"
        )
    return elements
