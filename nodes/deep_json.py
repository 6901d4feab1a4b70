"""JSON of any depth, read and written without recursion.

Python's own reader and writer, and orjson's, end at a few hundred to a thousand levels; Go's goes
on to 10,000. What is here is for what they refuse, and slower.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

DEEPEST = 10_000
"""Levels that Go's ``encoding/json`` reads."""

_SPACE = re.compile(r"[ \t\n\r]*")
_TOKEN = re.compile(
    r'(?P<mark>[\[\]{},:])|(?P<string>"(?:[^"\\\x00-\x1f]|\\.)*")'
    r"|(?P<number>-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?)|(?P<word>true|false|null)"
)
_WORDS = {"true": True, "false": False, "null": None}


def decode(text: str, number: Callable[[str], Any]) -> Any:
    """The value of a JSON text, its numbers read by ``number``. Raises ValueError for what is no
    JSON, and for more than ``DEEPEST`` levels."""
    tokens = _tokens(text)
    holders: list[Any] = []
    keys: list[str] = []
    whole: list[Any] = []
    kind, word = next(tokens)
    while True:
        if kind == "mark" and word in "[{":
            value: Any = [] if word == "[" else {}
            _put(value, holders, keys, whole)
            holders.append(value)
            if len(holders) > DEEPEST:
                raise ValueError("exceeded max depth")
            kind, word = next(tokens)
            if word not in "]}":
                kind, word = _member(kind, word, holders, keys, tokens)
                continue
            _leave(word, holders)
        elif kind == "mark":
            raise ValueError(f"invalid character {word!r} looking for beginning of value")
        else:
            _put(_scalar(kind, word, number), holders, keys, whole)
        kind, word = next(tokens)
        while kind == "mark" and word in "]}":
            _leave(word, holders)
            kind, word = next(tokens)
        if not holders:
            if kind:
                raise ValueError("invalid character after top-level value")
            return whole[0]
        if word != ",":
            raise ValueError(f"expected ',' or an end, got {word!r}")
        kind, word = _member(*next(tokens), holders, keys, tokens)


def _tokens(text: str) -> Iterator[tuple[str, str]]:
    position, end = 0, len(text)
    while True:
        space = _SPACE.match(text, position)
        position = position if space is None else space.end()
        if position == end:
            break
        found = _TOKEN.match(text, position)
        if found is None:
            raise ValueError(f"invalid character {text[position]!r}")
        yield str(found.lastgroup), found.group()
        position = found.end()
    while True:
        yield "", " "


def _member(
    kind: str, word: str, holders: list[Any], keys: list[str], tokens: Iterator[tuple[str, str]]
) -> tuple[str, str]:
    """The next value's first token; of an object's member, the one after its key."""
    if not isinstance(holders[-1], dict):
        return kind, word
    if kind != "string" or next(tokens)[1] != ":":
        raise ValueError("expected a key and ':'")
    keys.append(json.loads(word))
    return next(tokens)


def _put(value: Any, holders: list[Any], keys: list[str], whole: list[Any]) -> None:
    if not holders:
        whole.append(value)
    elif isinstance(holders[-1], dict):
        holders[-1][keys.pop()] = value
    else:
        holders[-1].append(value)


def _leave(word: str, holders: list[Any]) -> None:
    if not holders or isinstance(holders.pop(), dict) is not (word == "}"):
        raise ValueError(f"invalid character {word!r}")


def _scalar(kind: str, word: str, number: Callable[[str], Any]) -> Any:
    if kind == "number":
        return number(word)
    if kind == "string":
        return json.loads(word)
    if kind == "word":
        return _WORDS[word]
    raise ValueError("unexpected end of JSON input")


def encode(
    value: Any,
    scalar: Callable[[Any], str],
    members: Callable[[Mapping[Any, Any]], Iterator[tuple[str, Any]]],
    plain: Callable[[Any], Any] = lambda value: value,
) -> str:
    """``value`` as compact JSON. ``scalar`` writes what is neither list nor object, ``members``
    gives an object's written keys with their values in order, ``plain`` turns what JSON does not
    know into what it knows. Raises ValueError for a value that holds itself."""
    out: list[str] = []
    open_now: list[tuple[Iterator[Any], str, int]] = []
    ids: set[int] = set()
    pending: list[Any] = [value]
    while pending or open_now:
        if pending:
            known = plain(pending.pop())
            if not isinstance(known, (Mapping, list, tuple)):
                out.append(scalar(known))
            elif id(known) in ids:
                raise ValueError("a value that holds itself has no JSON form")
            else:
                is_object = isinstance(known, Mapping)
                out.append("{" if is_object else "[")
                inside = members(known) if isinstance(known, Mapping) else iter(known)
                ids.add(id(known))
                open_now.append((inside, "}" if is_object else "]", id(known)))
            continue
        inside, end, number = open_now[-1]
        item: Any = next(inside, _NOTHING)
        if item is _NOTHING:
            open_now.pop()
            ids.discard(number)
            out.append(end)
            continue
        if out[-1] not in ("[", "{"):
            out.append(",")
        if end == "}":
            out.append(f"{item[0]}:")
            item = item[1]
        pending.append(item)
    return "".join(out)


_NOTHING = object()
