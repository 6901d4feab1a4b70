"""Components that make JSON: multipaths ``[a,b]`` and ``{"x":a,b}``, and literals ``!true``."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

from umbel.graph.conditions import strings_in_json
from umbel.graph.conditions.queries import quoted_end
from umbel.graph.conditions.raw_json import block_end
from umbel.graph.conditions.validity import is_valid

_LITERAL_WORDS = (b"true", b"false", b"null", b"nan", b"inf")
_COMPONENT_END = re.compile(rb"[|.]")
_NOT_SIMPLE = re.compile(rb"[\x00-\x1f\[\]{}()#|!]")


@dataclass(frozen=True)
class Selector:
    """One entry of a multipath; ``name`` is "" where the path gives the name."""

    name: bytes
    path: bytes

    def key(self) -> bytes:
        """The key it gets in an object, as JSON text."""
        if self.name.startswith(b'"') and is_valid(self.name):
            return self.name
        return strings_in_json.quote(self.name or _last_name(self.path))


@lru_cache(maxsize=1024)
def selectors(path: bytes) -> tuple[tuple[Selector, ...], bytes] | None:
    """The entries of the multipath that begins ``path`` and what follows; None without an end."""
    found: list[Selector] = []
    start, colon, in_modifier = 1, 0, False
    for position, depth in _outside_quotes(path):
        character = path[position]
        if character == ord("@"):
            in_modifier = in_modifier or path[position - 1] in b".|"
        elif character == ord(":") and depth == 1:
            colon = colon if in_modifier or colon else position
        elif depth == 0 or (depth == 1 and character == ord(",")):
            name = path[start:colon] if colon else b""
            found.append(Selector(name, path[colon + 1 if colon else start : position]))
            start, colon, in_modifier = position + 1, 0, False
        if depth == 0:
            return tuple(found), path[position + 1 :]
    return None


def _outside_quotes(path: bytes) -> Iterator[tuple[int, int]]:
    """Positions after the first bracket that are not quoted or escaped, with their depth."""
    depth, position = 1, 1
    while position < len(path):
        character = path[position]
        if character == ord("\\"):
            position += 1
        elif character == ord('"'):
            position = quoted_end(path, position)
        else:
            depth += (character in b"[({") - (character in b"])}")
            yield position, depth
        position += 1


def literal(path: bytes) -> tuple[bytes, bytes] | None:
    """The JSON text of the literal that begins ``path`` (``!``) and what follows, if it is one."""
    body = path[1:]
    if body[:1] in (b"{", b"[", b'"', b"+", b"-") or body[:1].isdigit():
        # gjson skips the first character here, whatever it is, as if it opened a block.
        end = block_end(body, 0)
        return body[:end], body[end:]
    special = _COMPONENT_END.search(body)
    end = special.start() if special else len(body)
    return (body[:end], body[end:]) if body[:end].lower() in _LITERAL_WORDS else None


def _last_name(path: bytes) -> bytes:
    """The last component of a path, or ``_`` where it is no plain name."""
    end = len(path)
    for position in range(end - 1, -1, -1):
        if path[position] in b"|." and (position == 0 or path[position - 1] != ord("\\")):
            path = path[position + 1 :]
            break
    return b"_" if _NOT_SIMPLE.search(path) else path
