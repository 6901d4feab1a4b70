"""Numbers as Go's strconv reads and writes them."""

from __future__ import annotations

import math
import re
from decimal import Decimal

_DIGITS = rb"\d+(?:_\d+)*"
_HEX_DIGITS = rb"[0-9a-fA-F]+(?:_[0-9a-fA-F]+)*"
_DECIMAL = re.compile(
    rb"[+-]?(?:%(d)b(?:\.(?:%(d)b)?)?|\.%(d)b)(?:[eE][+-]?%(d)b)?" % {b"d": _DIGITS}
)
_HEXADECIMAL = re.compile(
    rb"[+-]?0[xX](?:_?%(h)b(?:\.(?:%(h)b)?)?|\.%(h)b)[pP][+-]?%(d)b"
    % {b"d": _DIGITS, b"h": _HEX_DIGITS}
)
_NAMED = re.compile(rb"[+-]?inf(inity)?|nan", re.IGNORECASE)
_WHOLE = re.compile(rb"-?\d*")


def parse(text: bytes) -> float:
    """The nearest double; infinite where it overflows, and 0 for text that is not a number."""
    if _DECIMAL.fullmatch(text) or _NAMED.fullmatch(text):
        return float(text)
    if _HEXADECIMAL.fullmatch(text):
        try:
            return float.fromhex(text.replace(b"_", b"").decode("ascii"))
        except OverflowError:
            return float("-inf") if text.startswith(b"-") else float("inf")
    return 0.0


def format_number(raw: bytes) -> bytes:
    """A JSON number in plain notation: whole numbers as written, others the shortest way."""
    if _WHOLE.fullmatch(raw):
        return raw
    number = parse(raw)
    if math.isnan(number):
        return b"NaN"
    if math.isinf(number):
        return b"+Inf" if number > 0 else b"-Inf"
    digits = format(Decimal(repr(number)), "f")
    return (digits.rstrip("0").rstrip(".") if "." in digits else digits).encode("ascii")
