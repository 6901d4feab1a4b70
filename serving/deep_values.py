"""Plain JSON values on their way to another process that are nested too deeply for pickle.

Pickle ends at some hundred levels. Such a value travels as its text, which is read without
recursion; that is slower, and only done when pickle has refused.
"""

from __future__ import annotations

import json
import pickle
from collections.abc import Iterator, Mapping
from typing import Any

from umbel.nodes import deep_json


def is_too_deep(error: BaseException) -> bool:
    """Whether this is what pickle says of a value that is nested too deeply."""
    if isinstance(error, pickle.PicklingError):
        return "recursion" in str(error)
    return isinstance(error, RecursionError)


class DeepJson:
    """A list or an object; what is unpickled is the value itself."""

    def __init__(self, value: Any) -> None:
        """Raises ``TypeError`` and ``ValueError`` for what is no plain JSON."""
        self._text = deep_json.encode(value, _scalar, _members)

    def __reduce__(self) -> Any:
        return _read, (self._text,)


def as_text(value: Any) -> Any:
    """The value to travel as its text where it is a list or an object of plain JSON."""
    if type(value) not in (list, dict):
        return value
    try:
        return DeepJson(value)
    except (TypeError, ValueError):
        return value


def _scalar(value: Any) -> str:
    if value is None or type(value) in (str, bool, int, float):
        return json.dumps(value, allow_nan=False)
    raise TypeError(f"{type(value).__name__} is no plain JSON")


def _members(value: Mapping[Any, Any]) -> Iterator[tuple[str, Any]]:
    for key, one in value.items():
        if type(key) is not str:
            raise TypeError("a key of JSON is a text")
        yield json.dumps(key), one


def _number(text: str) -> int | float:
    return float(text) if any(mark in text for mark in ".eE") else int(text)


def _read(text: str) -> Any:
    return deep_json.decode(text, _number)
