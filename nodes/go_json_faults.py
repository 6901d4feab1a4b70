"""What Go's ``encoding/json`` says of a text that is not JSON, word for word.

KServe's router hands these words on to the client, so dashboards and tests know them.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, NoReturn

_LITERALS = {"t": "true", "f": "false", "n": "null"}
_DEEPEST = 10_000
_ESCAPES = {"\a": "a", "\b": "b", "\f": "f", "\n": "n", "\r": "r", "\t": "t", "\v": "v"}
_SPACE = re.compile(r"[ \t\r\n]*")
_PLAIN = re.compile(r'[^"\\\x00-\x1f]*')
_DIGITS = re.compile(r"[0-9]*")
_AFTER = {"{": "after object key:value pair", "[": "after array element"}
_ENDS = {"{": "}", "[": "]"}

_Expected = Callable[[str], Any]
"""What takes the next character, and returns what takes the one after."""


class _Fault(Exception):
    pass


def fault(body: bytes) -> str:
    """Go's words for the first thing wrong with ``body``; empty if it is JSON."""
    try:
        _Walk(body.decode("latin-1")).document()
    except _Fault as found:
        return str(found)
    return ""


class _Walk:
    """One pass over a text; ``at`` is what comes next."""

    def __init__(self, text: str) -> None:
        self.text, self.at = text, 0
        self.open: list[str] = []

    def document(self) -> None:
        """Walk until the end of the text. Raises ``_Fault``."""
        expected: _Expected = self._value
        while True:
            self.at = self._match(_SPACE)
            if expected == self._after and not self.open and self.at == len(self.text):
                return
            expected = expected(self._peek())

    def _value(self, char: str) -> _Expected:
        if char in "{[":
            self.at += 1
            self.open.append(char)
            if len(self.open) > _DEEPEST:
                raise _Fault("exceeded max depth")
            return self._key_or_end if char == "{" else self._value_or_end
        if char == '"':
            self._string()
        elif char in _LITERALS:
            self._literal(_LITERALS[char])
        elif char == "-" or char.isdecimal():
            self._number()
        else:
            self._fail("looking for beginning of value")
        return self._after

    def _value_or_end(self, char: str) -> _Expected:
        return self._close() if char == "]" else self._value(char)

    def _key(self, char: str) -> _Expected:
        if char != '"':
            self._fail("looking for beginning of object key string")
        self._string()
        return self._colon

    def _key_or_end(self, char: str) -> _Expected:
        return self._close() if char == "}" else self._key(char)

    def _colon(self, char: str) -> _Expected:
        if char != ":":
            self._fail("after object key")
        self.at += 1
        return self._value

    def _after(self, char: str) -> _Expected:
        if not self.open:
            self._fail("after top-level value")
        kind = self.open[-1]
        if char == _ENDS[kind]:
            return self._close()
        if char != ",":
            self._fail(_AFTER[kind])
        self.at += 1
        return self._key if kind == "{" else self._value

    def _close(self) -> _Expected:
        self.open.pop()
        self.at += 1
        return self._after

    def _string(self) -> None:
        self.at += 1
        while True:
            self.at = self._match(_PLAIN)
            char = self._peek()
            if char == '"':
                self.at += 1
                return
            if char != "\\":
                self._fail("in string literal")
            self.at += 1
            self._escape()

    def _escape(self) -> None:
        char = self._byte()
        if char not in 'bfnrt\\/"u':
            self._fail("in string escape code")
        self.at += 1
        for _ in range(4 if char == "u" else 0):
            if self._byte() not in "0123456789abcdefABCDEF":
                self._fail("in \\u hexadecimal character escape")
            self.at += 1

    def _literal(self, word: str) -> None:
        for wanted in word:
            if self._byte() != wanted:
                self._fail(f"in literal {word} (expecting {wanted!r})")
            self.at += 1

    def _number(self) -> None:
        if self._byte() == "-":
            self.at += 1
            self._digit("in numeric literal")
        else:
            self.at += 1
        if self.text[self.at - 1] != "0":
            self.at = self._match(_DIGITS)
        if self._next_is("."):
            self.at += 1
            self._digit("after decimal point in numeric literal")
            self.at = self._match(_DIGITS)
        if self._next_is("e", "E"):
            self.at += 1
            if self._next_is("+", "-"):
                self.at += 1
            self._digit("in exponent of numeric literal")
            self.at = self._match(_DIGITS)

    def _digit(self, where: str) -> None:
        if self._byte() not in "0123456789":
            self._fail(where)
        self.at += 1

    def _match(self, pattern: re.Pattern[str]) -> int:
        found = pattern.match(self.text, self.at)
        return found.end() if found else self.at

    def _next_is(self, *chars: str) -> bool:
        return self.text[self.at : self.at + 1] in chars

    def _peek(self) -> str:
        if self.at >= len(self.text):
            raise _Fault("unexpected end of JSON input")
        return self.text[self.at]

    def _byte(self) -> str:
        """The next character within a token; Go ends a text with a space in its mind."""
        return self.text[self.at] if self.at < len(self.text) else " "

    def _fail(self, where: str) -> NoReturn:
        raise _Fault(f"invalid character {_quoted(self._byte())} {where}")


def _quoted(char: str) -> str:
    """One byte as Go quotes it."""
    if char in "'\\":
        return f"'\\{char}'"
    if char in _ESCAPES:
        return f"'\\{_ESCAPES[char]}'"
    if char < " " or char == "\x7f":
        return f"'\\x{ord(char):02x}'"
    if "\x80" <= char <= "\xa0" or char == "\xad":
        return f"'\\u{ord(char):04x}'"
    return f"'{char}'"
