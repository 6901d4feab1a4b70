"""What a path found: the raw JSON text of one value, read lazily."""

from __future__ import annotations

import json
from dataclasses import dataclass
from enum import Enum
from typing import Any

from umbel.graph.conditions import numbers_as_go, strings_in_json


class JsonType(Enum):
    """gjson's types of a value; ``JSON`` is an object or an array."""

    NULL = "Null"
    FALSE = "False"
    NUMBER = "Number"
    STRING = "String"
    TRUE = "True"
    JSON = "JSON"


@dataclass(frozen=True)
class Result:
    """A value that a path found, or the absence of one.

    ``raw_bytes`` is the value's exact JSON text; for something a path put together (a
    multipath, ``#.key``, a modifier) the text that gjson would have written.
    """

    type: JsonType = JsonType.NULL
    raw_bytes: bytes = b""

    @property
    def exists(self) -> bool:
        """Whether the path found anything: null, false, 0 and "" do exist."""
        return bool(self.raw_bytes)

    @property
    def raw(self) -> str:
        """The JSON text of the match, "" without one; bytes that are not UTF-8 become U+FFFD."""
        return self.raw_bytes.decode("utf-8", "replace")

    @property
    def value(self) -> Any:
        """The match as a Python value; None for null, no match, or text that is not JSON.

        Every number is a float, as in Go; of duplicate keys in an object the first one counts.
        """
        if self.type is JsonType.JSON:
            return _decode(self.raw)
        if self.type is JsonType.NUMBER:
            return self.number
        if self.type is JsonType.STRING:
            return self.text.decode("utf-8", "replace")
        return {JsonType.TRUE: True, JsonType.FALSE: False}.get(self.type)

    @property
    def text(self) -> bytes:
        """The content of a string without its quotes and escapes, as UTF-8."""
        if self.type is not JsonType.STRING:
            return b""
        return strings_in_json.content(self.raw_bytes)

    @property
    def number(self) -> float:
        """The value of a number, 0 for anything else; infinite where a double overflows."""
        return numbers_as_go.parse(self.raw_bytes) if self.type is JsonType.NUMBER else 0.0

    @property
    def is_object(self) -> bool:
        return self.type is JsonType.JSON and self.raw_bytes.startswith(b"{")

    @property
    def is_array(self) -> bool:
        return self.type is JsonType.JSON and self.raw_bytes.startswith(b"[")

    @property
    def as_text(self) -> bytes:
        """The value as gjson prints it: strings without quotes, whole numbers as written."""
        if self.type is JsonType.STRING:
            return self.text
        if self.type is JsonType.NUMBER:
            return numbers_as_go.format_number(self.raw_bytes)
        if self.type in (JsonType.TRUE, JsonType.FALSE):
            return b"true" if self.type is JsonType.TRUE else b"false"
        return self.raw_bytes if self.type is JsonType.JSON else b""

    @property
    def as_bool(self) -> bool:
        """True, a number other than 0, or a string that Go reads as true."""
        if self.type is JsonType.STRING:
            return boolean(self.text) is True
        return self.type is JsonType.TRUE or self.number != 0


def boolean(text: bytes) -> bool | None:
    """What Go reads as a boolean, in any case; None for other text."""
    return {b"1": True, b"t": True, b"true": True, b"0": False, b"f": False, b"false": False}.get(
        text.lower()
    )


def _first_of_each(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    return dict(reversed(pairs)) if len({key for key, _ in pairs}) < len(pairs) else dict(pairs)


_DECODER = json.JSONDecoder(object_pairs_hook=_first_of_each, parse_int=float, strict=False)


def _decode(text: str) -> Any:
    try:
        return _DECODER.raw_decode(text)[0]
    except (ValueError, RecursionError):
        return None
