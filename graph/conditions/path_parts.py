"""A path taken apart, one component at a time: what it selects and what is left of the path.

Whether a component selects a key or an item is only known once the document is reached, so
each has two readings: ``key_part`` and ``item_part``. Both are cached; a condition's path is
read once in a process, not once a request.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache

from umbel.graph.conditions import queries, wildcards
from umbel.graph.conditions.modifiers import MODIFIER_NAMES
from umbel.graph.conditions.queries import Query
from umbel.graph.conditions.raw_json import block_end, string_end

_MODIFIER_NAME = re.compile(rb"@([^.|:]*)")
_KEY_SPECIAL = re.compile(rb"[|.*?\\]")
_COMPONENT_END = re.compile(rb"[|.]")


@dataclass(frozen=True)
class Continuation:
    """What follows a component.

    ``path`` goes on below the selected value (after a dot); ``pipe`` is applied to the
    result as a whole. None means that there is no such part; "" is an empty component.
    """

    path: bytes | None = None
    pipe: bytes | None = None


@dataclass(frozen=True)
class KeyPart:
    """A component read as an object key, escapes resolved."""

    key: bytes
    is_pattern: bool
    then: Continuation

    def matches(self, key: bytes) -> bool:
        return wildcards.matches(key, self.key) if self.is_pattern else self.key == key


@dataclass(frozen=True)
class ItemPart:
    """A component read as a choice of array items.

    Exactly one of these holds: ``index`` is set; ``counts`` (a bare ``#``); ``collects``
    (``#.rest``: the rest of the path on every item); ``query`` is set; or nothing matches.
    """

    then: Continuation
    index: int | None = None
    counts: bool = False
    collects: bool = False
    query: Query | None = None

    @property
    def needs_items(self) -> bool:
        """Whether every item is looked into."""
        return self.collects or self.query is not None


@lru_cache(maxsize=4096)
def key_part(path: bytes) -> KeyPart:
    """Read the first component of ``path`` as an object key."""
    key, position, is_pattern = bytearray(), 0, False
    while special := _KEY_SPECIAL.search(path, position):
        at, character = special.start(), special.group()
        key += path[position:at]
        position = at + 1
        if character in b"|.":
            return KeyPart(bytes(key), is_pattern, _continuation(path, at, alone=True))
        if character == b"\\":
            key += path[position : position + 1]
            position += 1
        else:
            is_pattern = True
            key += character
    return KeyPart(bytes(key + path[position:]), is_pattern, Continuation())


@lru_cache(maxsize=4096)
def item_part(path: bytes) -> ItemPart:
    """Read the first component of ``path`` as a choice of array items."""
    query, position = None, 0
    if path[:2] in (b"#(", b"#["):
        query, position = queries.parse(path)
        if position < 0:
            return ItemPart(Continuation(), query=query)
    special = _COMPONENT_END.search(path, position)
    end = special.start() if special else len(path)
    part = path[:end]
    is_hash = b"#" in part
    then = _continuation(path, end, alone=not is_hash) if special else Continuation()
    if query is not None:
        return ItemPart(then, query=query)
    if part == b"#":
        return ItemPart(then, counts=then.path is None, collects=then.path is not None)
    # gjson counts in 64 bits and lets an index overflow; 10**64 is a multiple of 2**64.
    index = int(part[-64:]) % 2**64 if part.isdigit() else None
    return ItemPart(then, index=index)


def split_at_pipe(path: bytes) -> tuple[bytes, bytes | None]:
    """Split the rest of a path that applies to each item from the pipe that ends it."""
    if b"|" not in path:
        return path, None
    if path.startswith(b"{"):
        end = 1 + leading_block_end(path[1:])
        if path[end : end + 1] == b"|":
            return path[:end], path[end + 1 :]
        return path, None
    position = 0
    while position < len(path):
        character = path[position]
        if character == ord("\\"):
            position += 1
        elif character == ord("|"):
            return path[:position], path[position + 1 :]
        elif path.startswith(b".#", position):
            position = _after_selector(path, position + 2)
        position += 1
    return path, None


def leading_block_end(text: bytes) -> int:
    """Where the bracketed block or quoted string at the start of ``text`` ends."""
    if text.startswith(b'"'):
        return string_end(text, 1) + 1 or len(text)
    return block_end(text, 0)


def _after_selector(path: bytes, position: int) -> int:
    """Skip what follows ``.#``: a query, or the one character there is instead."""
    opener = path[position : position + 1]
    if opener not in (b"[", b"("):
        return position
    closer = b"]" if opener == b"[" else b")"
    depth, position = 1, position + 1
    while position < len(path):
        character = path[position : position + 1]
        if character == b"\\":
            position += 1
        elif character == b'"':
            position = queries.quoted_end(path, position)
        elif character in (opener, closer):
            depth += 1 if character == opener else -1
            if depth == 0:
                break
        position += 1
    return position


def _continuation(path: bytes, at: int, *, alone: bool) -> Continuation:
    rest = path[at + 1 :]
    if path[at] == ord("|") or (alone and _stands_alone(rest)):
        return Continuation(pipe=rest)
    return Continuation(path=rest)


def _stands_alone(rest: bytes) -> bool:
    """Whether a component after a dot works on a result as a whole, as if after a pipe."""
    if rest[:1] in (b"[", b"{"):
        return True
    name = _MODIFIER_NAME.match(rest)
    return name is not None and name.group(1) in MODIFIER_NAMES
