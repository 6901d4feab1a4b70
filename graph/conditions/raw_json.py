"""Reading JSON text in place: where strings, blocks and values end, and what they hold.

Everything works on UTF-8 bytes and positions, so a match costs only the text before it, and
the exact text of a value stays at hand. No function here fails on text that is not JSON;
like gjson, each takes what looks like a value and stops at the end of the text.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from umbel.graph.conditions.results import JsonType, Result

KEY_OR_END = re.compile(rb'["}]')
VALUE_START = re.compile(rb'["{\[ntf+\-0-9iIN]')
ITEM_OR_END = re.compile(rb'["{\[ntf+\-0-9iIN\]]')

_OPENER = re.compile(rb"[{\[]")
_BLOCK_TOKEN = re.compile(rb'[{\[(}\])]|"[^"\\]*"?')
_NUMBER_REST = re.compile(rb"[^\x00-\x20,\]}]*")
_WORD_REST = re.compile(rb"[a-z]*")
_SEPARATORS = re.compile(rb"[\x00-\x20,:]*")
_NOT_SPACE = re.compile(rb"[^\x00-\x20]")

_QUOTE, _BACKSLASH = b'"\\'
_TRUE, _FALSE, _NULL = b"tfn"


def string_end(text: bytes, start: int) -> int:
    """Position of the quote that closes the string whose content begins at ``start``, or -1."""
    end = text.find(b'"', start)
    while end > start and text[end - 1] == _BACKSLASH:
        first = end - 1
        while first > start and text[first - 1] == _BACKSLASH:
            first -= 1
        if (end - first) % 2 == 0:
            return end
        end = text.find(b'"', end + 1)
    return end


def block_end(text: bytes, start: int) -> int:
    """Position after the bracket that closes the one at ``start``; the text's end without one."""
    depth, position = 1, start + 1
    while True:
        token = _BLOCK_TOKEN.search(text, position)
        if token is None:
            return len(text)
        position = token.end()
        first = text[token.start()]
        if first == _QUOTE:
            if text[position - 1] != _QUOTE or position - token.start() < 2:
                position = string_end(text, token.start() + 1) + 1
                if position == 0:
                    return len(text)
        elif first in b"{[(":
            depth += 1
        else:
            depth -= 1
            if depth == 0:
                return position


def value_end(text: bytes, start: int) -> int:
    """Position after the value that begins at ``start``, or -1 for a string without an end."""
    first = text[start]
    if first == _QUOTE:
        return string_end(text, start + 1) + 1 or -1
    if first in b"{[":
        return block_end(text, start)
    if _is_word(text, start):
        return _end_of(_WORD_REST, text, start + 1)
    return _end_of(_NUMBER_REST, text, start + 1)


def value_at(text: bytes, start: int, end: int) -> Result:
    """The value that fills ``text[start:end]``."""
    return Result(_type_at(text, start), text[start:end])


def next_value(text: bytes, start: int) -> tuple[Result, int] | None:
    """The first value at or after ``start`` and the position after it."""
    found = VALUE_START.search(text, start)
    if found is None:
        return None
    end = value_end(text, found.start())
    return None if end < 0 else (value_at(text, found.start(), end), end)


def first_opener(text: bytes) -> int:
    """Position of the first brace or bracket, wherever it stands; -1 without one."""
    found = _OPENER.search(text)
    return found.start() if found else -1


def parse(text: bytes) -> Result:
    """The value of a whole document. Text after it belongs to an object's or array's raw text."""
    found = _NOT_SPACE.search(text)
    if found is None:
        return Result()
    start = found.start()
    first = text[start]
    if first in b"{[":
        return Result(JsonType.JSON, text[start:])
    if VALUE_START.match(text, start) is None:
        return Result()
    end = value_end(text, start)
    return value_at(text, start, len(text) if end < 0 else end)


def members(value: Result) -> Iterator[tuple[Result, Result]]:
    """Keys and values of an object; for an array, empty keys and its items; or the value itself."""
    if value.type is not JsonType.JSON:
        if value.exists:
            yield Result(), value
        return
    text, keyed = value.raw_bytes, value.is_object
    position, key = 1, Result()
    while position < len(text):
        if keyed:
            start = text.find(b'"', position)
            position = string_end(text, start + 1) + 1 if start >= 0 else 0
            if position == 0:
                return
            key = Result(JsonType.STRING, text[start:position])
        found = next_value(text, _end_of(_SEPARATORS, text, position))
        if found is None:
            return
        item, position = found
        yield key, item
        position += 1


def _end_of(pattern: re.Pattern[bytes], text: bytes, start: int) -> int:
    found = pattern.match(text, start)
    return found.end() if found else start


def _is_word(text: bytes, start: int) -> bool:
    first = text[start]
    if first == _NULL:
        return text[start + 1 : start + 2] in (b"u", b"")
    return first in b"tf"


def _type_at(text: bytes, start: int) -> JsonType:
    first = text[start]
    if first == _QUOTE:
        return JsonType.STRING
    if first in b"{[":
        return JsonType.JSON
    if not _is_word(text, start):
        return JsonType.NUMBER
    return {_TRUE: JsonType.TRUE, _FALSE: JsonType.FALSE}.get(first, JsonType.NULL)
