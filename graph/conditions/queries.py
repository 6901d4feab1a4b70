"""Queries on array items: ``#(path op value)`` and ``#(path op value)#``."""

from __future__ import annotations

import operator
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from umbel.graph.conditions import numbers_as_go, strings_in_json, wildcards
from umbel.graph.conditions.results import JsonType, Result, boolean

SPACE = bytes(range(0x21))
"""What gjson trims around the parts of a query."""

_OPERATORS = (b"!=", b"!%", b"<=", b">=", b"==", b"<", b">", b"=", b"%")
_ORDER: dict[bytes, Callable[[Any, Any], bool]] = {
    b"=": operator.eq,
    b"!=": operator.ne,
    b"<": operator.lt,
    b"<=": operator.le,
    b">": operator.gt,
    b">=": operator.ge,
}


@dataclass(frozen=True)
class Query:
    """One query. Without an operator it asks only whether ``path`` exists in an item.

    ``value`` has no quotes any more; ``all`` asks for every matching item, not the first.
    """

    path: bytes = b""
    operator: bytes = b""
    value: bytes = b""
    all: bool = False

    @cached_property
    def number(self) -> float:
        """The value as numbers are compared with it: 0 if it is none."""
        return numbers_as_go.parse(self.value)

    def accepts(self, found: Result) -> bool:
        """Whether an item matches in which ``path`` found ``found``."""
        if self.value.startswith(b"~"):
            return self._accepts_as_boolean(found)
        if not found.exists:
            return False
        if not self.operator:
            return True
        if found.type is JsonType.STRING:
            return self._accepts_text(found.text)
        if found.type is JsonType.NUMBER:
            compare = _ORDER.get(self.operator)
            return compare is not None and compare(found.number, self.number)
        return self._accepts_boolean(found.type, self.value)

    def _accepts_as_boolean(self, found: Result) -> bool:
        """``~`` values first make a boolean of what was found, or of its absence."""
        truth = {
            b"~*": lambda: found.exists,
            b"~null": lambda: found.type is JsonType.NULL,
            b"~true": lambda: _is_true(found),
            b"~false": lambda: _is_false(found),
        }.get(self.value)
        if truth is None:
            return False
        if not self.operator:
            return True
        return self._accepts_boolean(JsonType.TRUE if truth() else JsonType.FALSE, b"true")

    def _accepts_text(self, text: bytes) -> bool:
        if self.operator in (b"%", b"!%"):
            return wildcards.matches(text, self.value) is (self.operator == b"%")
        compare = _ORDER.get(self.operator)
        return compare is not None and compare(text, self.value)

    def _accepts_boolean(self, found: JsonType, value: bytes) -> bool:
        if found is JsonType.TRUE:
            own, other, at_bound = b"true", b"false", b">="
        elif found is JsonType.FALSE:
            own, other, at_bound = b"false", b"true", b"<="
        else:
            return False
        if self.operator in (b"=", b"!="):
            return (value == own) is (self.operator == b"=")
        return self.operator == at_bound or (self.operator == at_bound[:1] and value == other)


def _is_true(found: Result) -> bool:
    if found.type is JsonType.STRING:
        return boolean(found.text) is True
    return found.type is JsonType.TRUE or (found.type is JsonType.NUMBER and found.number != 0)


def _is_false(found: Result) -> bool:
    if found.type is JsonType.STRING:
        return boolean(found.text) is False
    if found.type is JsonType.NUMBER:
        return found.number == 0
    return found.type in (JsonType.NULL, JsonType.FALSE)


def parse(path: bytes) -> tuple[Query, int]:
    """Read the query that begins ``path`` (``#(`` or ``#[``) and the position after it.

    A query without an end gives position -1 and a query that every scalar item matches, as
    gjson has it.
    """
    end, comparison, has_escapes = _outline(path)
    if end < 0:
        return Query(), -1
    is_all = path[end + 1 : end + 2] == b"#"
    if not comparison:
        return Query(path[2:end].strip(SPACE), all=is_all), end + 1
    text = path[comparison:end].strip(SPACE)
    sign = next((sign for sign in _OPERATORS if text.startswith(sign)), b"")
    if text == b"!":
        # Alone it is an operator, one that nothing satisfies; before other text it is none.
        sign = text
    value = text[len(sign) :].strip(SPACE)
    if len(value) >= 2 and value.startswith(b'"') and value.endswith(b'"'):
        value = strings_in_json.unescape(value[1:-1]) if has_escapes else value[1:-1]
    sign = b"=" if sign == b"==" else sign
    return Query(path[2:comparison].strip(SPACE), sign, value, is_all), end + 1


def quoted_end(path: bytes, start: int) -> int:
    """Position of the quote that closes the one at ``start``, or of the path's end."""
    position = start + 1
    while position < len(path) and path[position] != ord('"'):
        position += 2 if path[position] == ord("\\") else 1
    return position


def _outline(path: bytes) -> tuple[int, int, bool]:
    """Where the query closes (-1: nowhere), where its operator begins (0: nowhere), and whether
    a quoted part of it has escapes."""
    comparison, depth, has_escapes = 0, 1, False
    position = 2
    while position < len(path):
        character = path[position]
        if depth == 1 and not comparison and character in b"!=<>%":
            comparison = position
        elif character == ord("\\"):
            position += 1
        elif character in b"[(":
            depth += 1
        elif character in b"])":
            depth -= 1
            if depth == 0:
                return position, comparison, has_escapes
        elif character == ord('"'):
            end = quoted_end(path, position)
            has_escapes = has_escapes or b"\\" in path[position:end]
            position = end
        position += 1
    return -1, 0, False
