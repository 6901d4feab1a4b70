"""Modifiers: ``@name`` or ``@name:argument`` turn one JSON text into another.

Each takes the JSON text and its argument ("" without one) and returns the new text; "" means
that nothing is left, so that nothing exists. A modifier that does not apply to the kind of
value it gets returns the text as it came.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from umbel.graph.conditions import layout, strings_in_json
from umbel.graph.conditions.limits import MAX_DEPTH, GaveUp
from umbel.graph.conditions.raw_json import members, parse
from umbel.graph.conditions.results import JsonType, Result
from umbel.graph.conditions.validity import is_valid

Modifier = Callable[[bytes, bytes], bytes]

_WHITESPACE = bytes(range(0x21))


def _this(text: bytes, argument: bytes) -> bytes:
    return text


def _valid(text: bytes, argument: bytes) -> bytes:
    return text if is_valid(text) else b""


def _ugly(text: bytes, argument: bytes) -> bytes:
    return layout.ugly(text)


def _pretty(text: bytes, argument: bytes) -> bytes:
    options = _options(argument)
    default = layout.Layout()
    return layout.pretty(
        text,
        layout.Layout(
            width=_whole_number(options[b"width"]) if b"width" in options else default.width,
            prefix=_spaces(options[b"prefix"]) if b"prefix" in options else default.prefix,
            indent=_spaces(options[b"indent"]) if b"indent" in options else default.indent,
            sort_keys=b"sortKeys" in options and options[b"sortKeys"].as_bool,
        ),
    )


def _reverse(text: bytes, argument: bytes) -> bytes:
    value = parse(text)
    if value.is_array:
        return _array([item.raw_bytes for _, item in members(value)][::-1])
    if value.is_object:
        return _object([_member(key, item) for key, item in members(value)][::-1])
    return text


def _flatten(text: bytes, argument: bytes) -> bytes:
    value = parse(text)
    if not value.is_array:
        return text
    deep = _options(argument).get(b"deep", Result()).as_bool
    return _flat(value, MAX_DEPTH, deep=deep)


def _flat(value: Result, levels: int, *, deep: bool) -> bytes:
    if levels < 0:
        raise GaveUp
    items = []
    for _, item in members(value):
        raw = item.raw_bytes
        if item.is_array:
            raw = _unwrap(_flat(item, levels - 1, deep=True) if deep else raw)
        items.append(raw.strip())
    return _array(item for item in items if item)


def _join(text: bytes, argument: bytes) -> bytes:
    value = parse(text)
    if not value.is_array:
        return text
    objects = [item for _, item in members(value) if item.is_object]
    if _options(argument).get(b"preserve", Result()).as_bool:
        return _object(_unwrap(item.raw_bytes) for item in objects)
    joined: dict[bytes, tuple[Result, Result]] = {}
    for item in objects:
        for key, member in members(item):
            first, _ = joined.get(key.text, (key, member))
            joined[key.text] = (first, member)
    return _object(_member(key, member) for key, member in joined.values())


def _keys(text: bytes, argument: bytes) -> bytes:
    value = parse(text)
    return _array(key.raw_bytes if value.is_object else b"null" for key, _ in members(value))


def _values(text: bytes, argument: bytes) -> bytes:
    value = parse(text)
    return text if value.is_array else _array(item.raw_bytes for _, item in members(value))


def _tostr(text: bytes, argument: bytes) -> bytes:
    return strings_in_json.quote(text)


def _fromstr(text: bytes, argument: bytes) -> bytes:
    return parse(text).as_text if is_valid(text) else b""


def _group(text: bytes, argument: bytes) -> bytes:
    value = parse(text)
    if not value.is_object:
        return b""
    groups: list[list[bytes]] = []
    for key, column in members(value):
        if column.is_array:
            for index, (_, item) in enumerate(members(column)):
                if index == len(groups):
                    groups.append([])
                groups[index].append(_member(key, item))
    return _array(_object(group) for group in groups)


MODIFIERS: dict[bytes, Modifier] = {
    b"flatten": _flatten,
    b"fromstr": _fromstr,
    b"group": _group,
    b"join": _join,
    b"keys": _keys,
    b"pretty": _pretty,
    b"reverse": _reverse,
    b"this": _this,
    b"tostr": _tostr,
    b"ugly": _ugly,
    b"valid": _valid,
    b"values": _values,
}
"""All modifiers that need nothing but their text. ``@dig`` also needs to evaluate paths."""

DIG = b"dig"

MODIFIER_NAMES = frozenset((*MODIFIERS, DIG))


def dig(text: bytes, evaluate: Callable[[bytes], Result]) -> bytes:
    """What ``evaluate`` finds in the text and in everything inside it, outside first."""
    found: list[bytes] = []
    pending = [(parse(text), 0)]
    while pending:
        value, depth = pending.pop()
        if depth > MAX_DEPTH:
            raise GaveUp
        result = evaluate(value.raw_bytes)
        if result.exists:
            found.append(result.raw_bytes)
        if value.type is JsonType.JSON:
            pending += [(item, depth + 1) for _, item in members(value)][::-1]
    return _array(found)


def _options(argument: bytes) -> dict[bytes, Result]:
    """The members of an argument that is an object; of duplicates the last one counts."""
    return {key.text: value for key, value in members(parse(argument))}


def _spaces(value: Result) -> bytes:
    return bytes(byte for byte in value.as_text if byte in b" \t\n\r")


def _whole_number(value: Result) -> int:
    if value.type is JsonType.TRUE:
        return 1
    try:
        return int(value.as_text) if value.type is JsonType.STRING else int(value.number)
    except (ValueError, OverflowError):
        return 0


def _unwrap(text: bytes) -> bytes:
    text = text.strip(_WHITESPACE)
    return text[1:-1] if len(text) >= 2 and text[:1] in (b"[", b"{") else text


def _member(key: Result, value: Result) -> bytes:
    return key.raw_bytes + b":" + value.raw_bytes


def _array(items: Iterable[bytes]) -> bytes:
    return b"[" + b",".join(items) + b"]"


def _object(items: Iterable[bytes]) -> bytes:
    return b"{" + b",".join(items) + b"}"
