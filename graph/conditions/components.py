"""A path cut into components, for explaining it; evaluation reads paths as it goes."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

from umbel.graph.conditions import multipaths, queries
from umbel.graph.conditions.evaluation import split_modifier
from umbel.graph.conditions.modifiers import MODIFIER_NAMES

Kind = Literal["key", "query", "modifier", "multipath", "literal", "broken"]

_KEY = re.compile(rb"(?:[^\\.|]|\\.|\\\Z)*", re.DOTALL)
_UP_TO_NEXT = re.compile(rb"[^.|]*")


@dataclass(frozen=True)
class Component:
    """One component: ``text`` as written, and the separator before it (``.``, ``|`` or "")."""

    kind: Kind
    text: bytes
    separator: bytes = b""


def split(path: bytes) -> tuple[Component, ...]:
    """All components of ``path``, at least one. A broken one takes the rest of the path."""
    found: list[Component] = []
    separator, rest = b"", path
    while True:
        kind, length = _first(rest)
        found.append(Component(kind, rest[:length], separator))
        if length >= len(rest):
            return tuple(found)
        separator, rest = rest[length : length + 1], rest[length + 1 :]


def _first(path: bytes) -> tuple[Kind, int]:
    """Kind and length of the first component."""
    if path[:2] in (b"#(", b"#["):
        _, end = queries.parse(path)
        return ("broken", len(path)) if end < 0 else ("query", _up_to_next(path, end))
    if path[:1] in (b"[", b"{"):
        parsed = multipaths.selectors(path)
        if parsed is None or parsed[1][:1] not in (b"", b".", b"|"):
            return "broken", len(path)
        return "multipath", len(path) - len(parsed[1])
    if path[:1] == b"@":
        name, _, rest = split_modifier(path)
        if name in MODIFIER_NAMES:
            return "modifier", len(path) - len(rest)
    literal = multipaths.literal(path) if path[:1] == b"!" else None
    if literal is not None:
        return "literal", len(path) - len(literal[1])
    return "key", _up_to_next(path, 0, _KEY)


def _up_to_next(path: bytes, start: int, pattern: re.Pattern[bytes] = _UP_TO_NEXT) -> int:
    found = pattern.match(path, start)
    return found.end() if found else start
