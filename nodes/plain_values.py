"""Values as plain Python: str, bytes, numbers, dicts, lists, and whole JSON values."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping
from typing import Any

import numpy as np
import orjson

from umbel.graph.errors import InvalidInput
from umbel.nodes.casting import as_array
from umbel.nodes.descriptions import describe

_SCALARS = {str, int, float, bool, type(None)}


def to_str(value: object, what: str) -> str:
    """Text; bytes are read as UTF-8, an array of one string is that string."""
    value = _sole(value)
    if isinstance(value, str):
        return str(value)
    if isinstance(value, (bytes, bytearray)):
        return _text(value, what)
    raise InvalidInput(f"{what}: expected a string, got {describe(value)}")


def to_bytes(value: object, what: str) -> bytes:
    """Bytes; text is written as UTF-8, ``{"b64": "..."}`` is decoded."""
    value = _sole(value)
    if isinstance(value, (bytes, bytearray, memoryview)):
        return bytes(value)
    if isinstance(value, str):
        return value.encode()
    if isinstance(value, Mapping) and set(value) == {"b64"}:
        try:
            return base64.b64decode(value["b64"], validate=True)
        except (binascii.Error, ValueError, TypeError) as error:
            raise InvalidInput(f'{what}: expected base64 under "b64", got {error}') from None
    raise InvalidInput(f'{what}: expected bytes, a string or {{"b64": ...}}, got {describe(value)}')


def to_int(value: object, what: str) -> int:
    """An integer; ``3.0`` is one, ``2.5`` and ``true`` are not."""
    value = _sole(value)
    if isinstance(value, (int, np.integer)) and not isinstance(value, bool):
        return int(value)
    if isinstance(value, (float, np.floating)) and float(value).is_integer():
        return int(value)
    raise InvalidInput(f"{what}: expected an integer, got {describe(value)}")


def to_float(value: object, what: str) -> float:
    """A number, not a boolean and not a string."""
    value = _sole(value)
    if isinstance(value, (int, float, np.integer, np.floating)) and not isinstance(value, bool):
        return float(value)
    raise InvalidInput(f"{what}: expected a number, got {describe(value)}")


def to_bool(value: object, what: str) -> bool:
    """true or false, nothing else."""
    value = _sole(value)
    if isinstance(value, (bool, np.bool_)):
        return bool(value)
    raise InvalidInput(f"{what}: expected true or false, got {describe(value)}")


def to_dict(value: object, what: str) -> dict[Any, Any]:
    """A dict; JSON text of an object is read, a DataFrame gives its columns as arrays."""
    value = _sole(value)
    if isinstance(value, dict):
        return value
    if isinstance(value, Mapping):
        return dict(value)
    if _is_frame(value):
        return _columns(value)
    if isinstance(value, (str, bytes, bytearray)):
        parsed = _parse(value, what)
        if isinstance(parsed, dict):
            return parsed
        value = parsed
    raise InvalidInput(f"{what}: expected an object, got {describe(value)}")


def to_list(value: object, what: str) -> list[Any]:
    """A list; arrays and tensors become nested lists, a DataFrame its rows as dicts."""
    if isinstance(value, list):
        return value
    if isinstance(value, tuple):
        return list(value)
    if _is_frame(value):
        return _rows(value)
    array = as_array(value)
    if array is not None and array.ndim:
        nested: list[Any] = _nested(array, what)
        return nested
    raise InvalidInput(f"{what}: expected a list, got {describe(value)}")


def to_json(value: object, what: str) -> Any:
    """Any JSON value, free of arrays, tuples and bytes; itself where it already is one.

    A BYTES tensor of one element holds JSON text, or else a plain string.
    """
    kind = type(value)
    if kind in _SCALARS:
        return value
    if isinstance(value, np.ndarray) and value.size == 1 and value.dtype == object:
        return _text_or_json(value.item(), what)
    if isinstance(value, list) and set(map(type, value)) <= _SCALARS:
        return value
    if isinstance(value, Mapping):
        return {str(key): to_json(item, what) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [to_json(item, what) for item in value]
    if isinstance(value, (bytes, bytearray)):
        return _text(value, what)
    if _is_frame(value):
        return to_json(_rows(value), what)
    array = as_array(value)
    if array is None:
        raise InvalidInput(f"{what}: expected a JSON value, got {describe(value)}")
    return _nested(array, what)


def _sole(value: object) -> object:
    """The one element of an array of size 1, or the value."""
    if isinstance(value, (str, bytes, int, float, Mapping, list, tuple)) or _is_frame(value):
        return value
    array = as_array(value)
    return array.reshape(-1)[0] if array is not None and array.size == 1 else value


def _is_frame(value: object) -> bool:
    return hasattr(value, "columns") and hasattr(value, "to_dict")


def _columns(frame: Any) -> dict[Any, Any]:
    return {name: frame[name].to_numpy() for name in frame.columns}


def _rows(frame: Any) -> list[Any]:
    rows: list[Any] = frame.to_dict(orient="records")
    return rows


def _nested(array: np.ndarray[Any, Any], what: str) -> Any:
    if array.dtype.kind in "OS":
        return to_json(array.tolist(), what)
    return array.tolist()


def _text(value: bytes | bytearray, what: str) -> str:
    try:
        return value.decode()
    except UnicodeDecodeError:
        raise InvalidInput(f"{what}: expected UTF-8 text, got other bytes") from None


def _text_or_json(item: object, what: str) -> Any:
    if not isinstance(item, (str, bytes)):
        return to_json(item, what)
    try:
        return orjson.loads(item)
    except orjson.JSONDecodeError:
        return item if isinstance(item, str) else _text(item, what)


def _parse(text: str | bytes | bytearray, what: str) -> Any:
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError as error:
        raise InvalidInput(
            f"{what}: expected a JSON object, got {describe(text)}: {error}"
        ) from None
