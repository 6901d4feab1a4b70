"""Results of Python code as compact JSON.

orjson does the work. It writes contiguous numpy arrays itself, NaN and infinities as null
(JSON has neither), float32 with the fewest digits that give the same float32, and integers
of 64 bits exactly. What it does not know comes to ``_plain``: tensors, DataFrames, strided
and text arrays, bytes (UTF-8 text as a string, any other as ``{"b64": "..."}``, the TensorFlow
convention). Integers beyond 64 bits take a slow path through the standard library.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import orjson

from umbel.graph.errors import RequestFailed
from umbel.nodes import deep_json
from umbel.nodes.casting import as_array
from umbel.nodes.descriptions import describe

_OPTIONS = orjson.OPT_SERIALIZE_NUMPY


def encode_json(value: object) -> bytes:
    """``value`` as compact JSON. Raises RequestFailed if it holds something JSON cannot."""
    try:
        return orjson.dumps(value, default=_plain, option=_OPTIONS)
    except TypeError:
        return _encode_slowly(value)


def _plain(value: Any) -> Any:
    if isinstance(value, np.ndarray):
        if value.dtype.kind in "biuf" and value.ndim:
            return np.ascontiguousarray(value, dtype=value.dtype.newbyteorder("="))
        return value.tolist()
    if isinstance(value, (bytes, bytearray, memoryview)):
        return _text(bytes(value))
    if isinstance(value, np.generic):
        return value.item()
    if hasattr(value, "to_dict") and hasattr(value, "columns"):
        return value.to_dict(orient="records")
    if isinstance(value, Mapping):
        return dict(value)
    if isinstance(value, (set, frozenset)):
        return list(value)
    if hasattr(value, "model_dump"):
        return value.model_dump()
    array = as_array(value)
    if array is None:
        raise TypeError(f"{describe(value)} has no JSON form")
    return array


def _text(value: bytes) -> object:
    try:
        return value.decode()
    except UnicodeDecodeError:
        return {"b64": base64.b64encode(value).decode()}


def _encode_slowly(value: object) -> bytes:
    """Keys that are no strings, then integers beyond 64 bits; both are rare."""
    try:
        return orjson.dumps(value, default=_plain, option=_OPTIONS | orjson.OPT_NON_STR_KEYS)
    except TypeError:
        pass
    try:
        try:
            text = json.dumps(_finite(value), separators=(",", ":"), ensure_ascii=False)
        except RecursionError:
            text = deep_json.encode(value, _scalar, _members, _known)
        return text.encode()
    except (TypeError, ValueError) as error:
        raise RequestFailed(f"the result cannot be written as JSON: {error}") from error


def _known(value: Any) -> Any:
    """A value that JSON has a form for, of one level."""
    if value is None or isinstance(value, (str, bool, int, float, Mapping, list, tuple)):
        return value
    return _known(value.tolist() if isinstance(value, np.ndarray) else _plain(value))


def _scalar(value: Any) -> str:
    return json.dumps(_finite(value), ensure_ascii=False)


def _members(value: Mapping[Any, Any]) -> Iterator[tuple[str, Any]]:
    for key, item in value.items():
        yield json.dumps(str(key), ensure_ascii=False), item


def _finite(value: Any) -> Any:
    """Only dicts, lists and scalars, with null for NaN and the infinities."""
    if isinstance(value, float):
        return float(value) if np.isfinite(value) else None
    if value is None or isinstance(value, (str, bool, int)):
        return value
    if isinstance(value, Mapping):
        return {str(key): _finite(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_finite(item) for item in value]
    if isinstance(value, np.ndarray):
        return _finite(value.tolist())
    return _finite(_plain(value))
