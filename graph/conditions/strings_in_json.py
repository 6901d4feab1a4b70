"""Strings in JSON text: escapes read leniently, as gjson does, and written as Go writes them."""

from __future__ import annotations

import re

_SPECIAL = re.compile(rb"[\x00-\x1f\\]")
_HEX = re.compile(rb"[0-9a-fA-F]{4}")
_SIMPLE = {
    ord("\\"): b"\\",
    ord("/"): b"/",
    ord('"'): b'"',
    ord("b"): b"\b",
    ord("f"): b"\f",
    ord("n"): b"\n",
    ord("r"): b"\r",
    ord("t"): b"\t",
}
_WRITTEN = {code: f"\\u{code:04x}" for code in (*range(0x20), *b"<>&", 0x2028, 0x2029)}
_WRITTEN |= {code[0]: f"\\{chr(letter)}" for letter, code in _SIMPLE.items() if code != b"/"}
_WRITTEN |= dict.fromkeys(range(0xDC80, 0xDD00), "\\ufffd")
"""What Go writes in place of a character; a byte that is not UTF-8 comes as a lone surrogate."""


def content(raw: bytes) -> bytes:
    """What a string literal means. Without a closing quote everything after the first counts."""
    body = raw[1:-1] if _is_closed(raw) else raw[1:]
    return unescape(body) if b"\\" in body else body


def unescape(body: bytes) -> bytes:
    """Resolve escapes; stops at the first control character or unknown escape."""
    parts: list[bytes] = []
    position = 0
    while special := _SPECIAL.search(body, position):
        parts.append(body[position : special.start()])
        position = special.end() + 1
        code = body[special.end() : position]
        if special.group() != b"\\" or not code:
            return b"".join(parts)
        if code == b"u":
            if position + 4 > len(body):
                return b"".join(parts)
            character, position = _unicode_escape(body, position)
            parts.append(character)
        elif code[0] in _SIMPLE:
            parts.append(_SIMPLE[code[0]])
        else:
            return b"".join(parts)
    return b"".join((*parts, body[position:]))


def quote(text: bytes) -> bytes:
    """Write text as a JSON string, with ``<``, ``>`` and ``&`` escaped too."""
    written = text.decode("utf-8", "surrogateescape").translate(_WRITTEN)
    return b'"' + written.encode("utf-8") + b'"'


def _is_closed(raw: bytes) -> bool:
    if len(raw) < 2 or not raw.endswith(b'"'):
        return False
    body = raw[1:-1]
    return (len(body) - len(body.rstrip(b"\\"))) % 2 == 0


def _unicode_escape(body: bytes, position: int) -> tuple[bytes, int]:
    """The character whose four digits stand at ``position``, and the position after it."""
    code = _code_unit(body, position)
    position += 4
    if 0xD800 <= code < 0xE000:
        if body[position : position + 2] == b"\\u" and position + 6 <= len(body):
            code = _join_surrogates(code, _code_unit(body, position + 2))
            position += 6
        else:
            code = 0xFFFD
    return chr(code).encode("utf-8"), position


def _code_unit(body: bytes, position: int) -> int:
    digits = _HEX.match(body, position)
    return int(digits.group(), 16) if digits else 0


def _join_surrogates(high: int, low: int) -> int:
    if 0xD800 <= high < 0xDC00 <= low < 0xE000:
        return 0x10000 + ((high - 0xD800) << 10) + (low - 0xDC00)
    return 0xFFFD
