"""Glob patterns: ``*`` for any run of characters, ``?`` for one, ``\\`` before a literal.

A pattern is split at its stars, so matching takes no backtracking: a hostile value costs no
more than its length times the pattern's.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache

_UNDECODABLE = re.compile("[\udc80-\udcff]")


@dataclass(frozen=True)
class _Piece:
    """What stands between two stars: a run of literals and ``?`` of one fixed width."""

    pattern: re.Pattern[str]
    width: int


@dataclass(frozen=True)
class _Glob:
    """The pieces between stars; empty for a pattern that cannot match anything."""

    pieces: tuple[_Piece, ...]

    def matches(self, text: str) -> bool:
        if not self.pieces:
            return False
        head, *rest = self.pieces
        if not rest:
            return head.pattern.fullmatch(text) is not None
        found = head.pattern.match(text)
        *middle, tail = rest
        for piece in middle:
            found = found and piece.pattern.search(text, found.end())
        if found is None:
            return False
        start = len(text) - tail.width
        return start >= found.end() and tail.pattern.fullmatch(text, start) is not None


def matches(text: bytes, pattern: bytes) -> bool:
    """Whether the whole of ``text`` fits ``pattern``; both are UTF-8, compared by character."""
    return pattern == b"*" or _compile(pattern).matches(_characters(text))


def _characters(text: bytes) -> str:
    decoded = text.decode("utf-8", "surrogateescape")
    return decoded if decoded.isascii() else _UNDECODABLE.sub("\ufffd", decoded)


@lru_cache(maxsize=512)
def _compile(pattern: bytes) -> _Glob:
    pieces: list[list[str]] = [[]]
    characters = iter(_characters(pattern))
    for character in characters:
        if character == "*":
            pieces.append([])
        elif character == "?":
            pieces[-1].append(".")
        elif character != "\\":
            pieces[-1].append(re.escape(character))
        else:
            literal = next(characters, "")
            if not literal and len(pieces) == 1:
                return _Glob(())
            # A backslash that ends the pattern stands for itself, but only after a star.
            pieces[-1].append(re.escape(literal or "\\"))
    return _Glob(tuple(_Piece(re.compile("".join(p), re.DOTALL), len(p)) for p in pieces))
