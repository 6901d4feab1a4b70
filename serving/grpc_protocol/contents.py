"""A tensor's elements as the typed fields of ``InferTensorContents``."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from umbel.graph.errors import InvalidInput
from umbel.graph.value_types import OIP_TO_DTYPE
from umbel.serving.protocols.payload import Array, Tensor

_FIELDS = {
    "BOOL": "bool_contents",
    "INT8": "int_contents",
    "INT16": "int_contents",
    "INT32": "int_contents",
    "INT64": "int64_contents",
    "UINT8": "uint_contents",
    "UINT16": "uint_contents",
    "UINT32": "uint_contents",
    "UINT64": "uint64_contents",
    "FP32": "fp32_contents",
    "FP64": "fp64_contents",
    "BYTES": "bytes_contents",
}
"""Datatype → field. FP16 has none."""

_WIDE = {"int_contents": np.int32, "uint_contents": np.uint32}
"""Fields that are wider than some of the datatypes they carry."""


def has_field(datatype: str) -> bool:
    """Can typed contents carry this datatype?"""
    return datatype in _FIELDS


def array_from_contents(contents: Any, datatype: str, shape: tuple[int, ...], what: str) -> Array:
    """The array in the field of the datatype.

    Raises InvalidInput if another field is set, the number of elements does not fit the shape,
    or an element does not fit the datatype.
    """
    field = _FIELDS.get(datatype)
    if field is None:
        raise InvalidInput(f"{what}: {datatype} has no typed contents: send raw_input_contents")
    for other, _ in contents.ListFields():
        if other.name != field:
            raise InvalidInput(f"{what}: expected {datatype} in {field}, got {other.name}")
    elements, count = getattr(contents, field), math.prod(shape)
    if len(elements) != count:
        raise InvalidInput(
            f"{what}: expected {count} elements in {field} for shape {list(shape)},"
            f" got {len(elements)}"
        )
    if datatype == "BYTES":
        objects: Array = np.empty(count, dtype=object)
        objects[:] = list(elements)
        return objects.reshape(shape)
    dtype = np.dtype(OIP_TO_DTYPE[datatype])
    array: Array = np.fromiter(elements, _WIDE.get(field, dtype), count)
    return _narrowed(array, dtype, what).reshape(shape)


def write_contents(tensor: Tensor, contents: Any) -> None:
    """Put the tensor's elements into ``contents``. Its datatype has a field."""
    elements = tensor.array.reshape(-1).tolist()
    getattr(contents, _FIELDS[tensor.datatype]).extend(elements)


def _narrowed(array: Array, dtype: np.dtype[Any], what: str) -> Array:
    if array.dtype == dtype:
        return array
    narrow = array.astype(dtype)
    wrong = array[narrow != array]
    if wrong.size:
        raise InvalidInput(f"{what}: expected numbers that fit {dtype.name}, got {wrong[0]}")
    return narrow
