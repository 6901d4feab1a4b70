"""Strict JSON: what gjson, and so KServe's router, accepts as a document.

Bytes inside strings need not be UTF-8, nesting has no limit, NaN and Infinity are refused.
"""

from __future__ import annotations

import json
import re

_SPACE = re.compile(r"[ \t\n\r]*")
_SCALAR = re.compile(
    r'"[^"\\\x00-\x1f]*(?:\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4})[^"\\\x00-\x1f]*)*"'
    r"|-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?"
    r"|true|false|null"
)


def is_valid(document: bytes) -> bool:
    """Whether the text is exactly one JSON value, with whitespace around it or not."""
    # One character a byte: the structure is ASCII, and strings may hold any other byte.
    text = document.decode("latin-1")
    try:
        _DECODER.decode(text)
    except json.JSONDecodeError:
        return False
    except (ValueError, RecursionError):
        # A constant JSON does not know, an integer of thousands of digits, or deep nesting.
        return _is_valid_at_any_depth(text)
    return True


def _refuse(constant: str) -> None:
    raise ValueError(constant)


_DECODER = json.JSONDecoder(parse_constant=_refuse)


def _is_valid_at_any_depth(text: str) -> bool:
    """The same question without recursion: ``open_blocks`` holds what awaits its end."""
    open_blocks: list[str] = []
    position = _after_space(text, 0)
    while True:
        opener = text[position : position + 1]
        if opener and opener in "{[":
            position = _after_space(text, position + 1)
            closer = "}" if opener == "{" else "]"
            if text.startswith(closer, position):
                position = _after_space(text, position + 1)
            else:
                open_blocks.append(closer)
                position = _after_key(text, position) if closer == "}" else position
                if position < 0:
                    return False
                continue
        else:
            scalar = _SCALAR.match(text, position)
            if scalar is None:
                return False
            position = _after_space(text, scalar.end())
        position = _next_item(text, position, open_blocks)
        if position < 0 or not open_blocks:
            return position == len(text)


def _next_item(text: str, position: int, open_blocks: list[str]) -> int:
    """Close blocks that end here; the position of the next value, of the rest, or -1."""
    while open_blocks:
        closer = open_blocks[-1]
        if text.startswith(",", position):
            position = _after_space(text, position + 1)
            return _after_key(text, position) if closer == "}" else position
        if not text.startswith(closer, position):
            return -1
        open_blocks.pop()
        position = _after_space(text, position + 1)
    return position


def _after_key(text: str, position: int) -> int:
    key = _SCALAR.match(text, position) if text.startswith('"', position) else None
    if key is None:
        return -1
    position = _after_space(text, key.end())
    return _after_space(text, position + 1) if text.startswith(":", position) else -1


def _after_space(text: str, position: int) -> int:
    found = _SPACE.match(text, position)
    return found.end() if found else position
