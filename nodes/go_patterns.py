"""Regular expressions as Go's ``regexp`` reads them, for header rules written for KServe.

Go has no look-around, back-references, atomic groups or possessive quantifiers: what Python
would accept of these is refused here as Go refuses it.
"""

from __future__ import annotations

import re

_POSIX = {
    "alnum": "0-9A-Za-z", "alpha": "A-Za-z", "ascii": r"\x00-\x7f", "blank": r"\t ",
    "cntrl": r"\x00-\x1f\x7f", "digit": "0-9", "graph": "!-~", "lower": "a-z", "print": " -~",
    "punct": r"!-/:-@\[-`{-~", "space": r"\t\n\v\f\r ", "upper": "A-Z", "word": "0-9A-Za-z_",
    "xdigit": "0-9A-Fa-f",
}  # fmt: skip
_LETTERS = {"L": "A-Za-z", "Lu": "A-Z", "Ll": "a-z", "N": "0-9", "Nd": "0-9"}
"""Unicode classes within ASCII: header names have no other characters."""

_REPEAT = re.compile(r"[*+?]|\{(\d+)(,(\d*))?\}")
_FLAGS = re.compile(r"\?([imsU]*)(?:-([imsU]+))?([:)])")
_GROUP_NAME = re.compile(r"\?P?<([A-Za-z_]\w*)>")
_CODE = re.compile(r"x(?:\{([0-9A-Fa-f]+)\}|([0-9A-Fa-f]{2}))|(0[0-7]{0,2}|[1-7][0-7]{1,2})")
_MOST_REPEATS = 1000
_SPECIAL = {".": ".", "|": "|", "^": "(?:^)", "$": r"(?:\Z)"}
"""Anchors in groups of their own: Go lets them be repeated."""


def compile_pattern(pattern: str) -> re.Pattern[str]:
    """The pattern, unanchored and case-sensitive. Raises ``re.error`` where Go finds it broken."""
    translated = _Translation(pattern).text()
    return re.compile(translated, re.ASCII)


class _Translation:
    """One walk over a pattern; ``at`` is what comes next."""

    def __init__(self, pattern: str) -> None:
        self.pattern, self.at = pattern, 0
        self.out: list[str] = []
        self.open: list[int] = []
        """For each open group, how many Python groups it became."""

    def text(self) -> str:
        """The pattern in Python's words."""
        self.open.append(0)
        while self.at < len(self.pattern):
            self._next()
        if len(self.open) != 1:
            raise re.error("missing closing )", self.pattern)
        return "".join(self.out) + ")" * self.open[0]

    def _next(self) -> None:
        char = self.pattern[self.at]
        repeat = _REPEAT.match(self.pattern, self.at)
        if repeat:
            self._repeat(repeat)
        elif char == "\\":
            self.out.append(self._escape(in_class=False))
        elif char == "[":
            self._class()
        elif char == "(":
            self._open()
        elif char == ")":
            if len(self.open) == 1:
                raise re.error("unexpected )", self.pattern, self.at)
            self.out.append(")" * (self.open.pop() + 1))
            self.at += 1
        else:
            self.out.append(_SPECIAL.get(char) or re.escape(char))
            self.at += 1

    def _repeat(self, found: re.Match[str]) -> None:
        for bound in (found.group(1), found.group(3)):
            if bound and int(bound) > _MOST_REPEATS:
                raise re.error("invalid repeat count", self.pattern, self.at)
        self.at = found.end()
        lazy = self.pattern[self.at : self.at + 1] == "?"
        self.at += lazy
        if _REPEAT.match(self.pattern, self.at):
            raise re.error("invalid nested repetition operator", self.pattern, self.at)
        self.out.append(found.group() + "?" * lazy)

    def _open(self) -> None:
        self.at += 1
        if self.pattern[self.at : self.at + 1] != "?":
            self.out.append("(")
            self.open.append(0)
            return
        named = _GROUP_NAME.match(self.pattern, self.at)
        flags = _FLAGS.match(self.pattern, self.at)
        if named:
            self.out.append(f"(?P<{named.group(1)}>")
            self.open.append(0)
            self.at = named.end()
        elif flags:
            self._flags(flags)
        else:
            raise re.error("invalid or unsupported Perl syntax", self.pattern, self.at)

    def _flags(self, found: re.Match[str]) -> None:
        """``U`` only swaps which match is preferred: nothing here depends on that."""
        on, off = found.group(1).replace("U", ""), (found.group(2) or "").replace("U", "")
        if set(on) & set(off):
            on = "".join(flag for flag in on if flag not in off)
        self.out.append(f"(?{''.join(sorted(set(on)))}{'-' if off else ''}{''.join(set(off))}:")
        self.at = found.end()
        if found.group(3) == ":":
            self.open.append(0)
        else:  # for the rest of the group that is open now
            self.open[-1] += 1

    def _class(self) -> None:
        """A bracket expression, its POSIX classes spelled out."""
        end = self.at + 1
        self.out.append("[")
        if self.pattern[end : end + 1] == "^":
            self.out.append("^")
            end += 1
        self.at, first = end, True
        while self.pattern[self.at : self.at + 1] != "]" or first:
            if self.at >= len(self.pattern):
                raise re.error("missing closing ]", self.pattern, end)
            first = False
            self.out.append(self._in_class())
        self.out.append("]")
        self.at += 1

    def _in_class(self) -> str:
        posix = re.compile(r"\[:(\^?)(\w+):\]").match(self.pattern, self.at)
        if posix:
            if posix.group(2) not in _POSIX or posix.group(1):
                raise re.error("invalid character class range", self.pattern, self.at)
            self.at = posix.end()
            return _POSIX[posix.group(2)]
        char = self.pattern[self.at]
        if char == "\\":
            return self._escape(in_class=True)
        self.at += 1
        return char if char in "-" or char.isalnum() else re.escape(char)

    def _escape(self, *, in_class: bool) -> str:
        rest = self.pattern[self.at + 1 :]
        quoted = re.match(r"Q(.*?)(\\E|$)", rest, re.DOTALL)
        if quoted and not in_class:
            self.at += 1 + quoted.end()
            return re.escape(quoted.group(1))
        letters = re.match(r"p(?:\{(\w+)\}|(\w))", rest)
        if letters and (known := _LETTERS.get(letters.group(1) or letters.group(2))):
            self.at += 1 + letters.end()
            return known if in_class else f"[{known}]"
        code = _CODE.match(rest)
        if code:
            self.at += 1 + code.end()
            digits = code.group(1) or code.group(2)
            return re.escape(chr(int(digits, 16) if digits else int(code.group(3), 8)))
        char = rest[:1]
        plain = "afnrtvdDsSwW" + ("" if in_class else "AbBz")
        if not char or (char not in plain and char.isalnum()):
            raise re.error("invalid escape sequence", self.pattern, self.at)
        self.at += 2
        if char in "AbBz":
            return rf"(?:\{'Z' if char == 'z' else char})"
        return f"\\{char}" if char in plain else re.escape(char)
