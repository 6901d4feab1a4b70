"""JSON as Go's ``encoding/json`` reads and writes it, where KServe's router re-encodes bodies.

Numbers pass through float64, keys come out sorted, and ``<``, ``>``, ``&`` are escaped.
"""

from __future__ import annotations

import codecs
import json
import math
import re
from collections.abc import Iterator, Mapping
from typing import Any

from umbel.graph.errors import RequestFailed
from umbel.nodes import deep_json
from umbel.nodes.go_json_faults import fault

_EACH_BYTE = "umbel-go-json"
"""Go puts one U+FFFD for each byte that is not UTF-8; Python's ``replace`` one for several."""


def _replace_one(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeDecodeError):
        raise error
    return "\ufffd", error.start + 1


codecs.register_error(_EACH_BYTE, _replace_one)


def _number(text: str) -> float:
    value = float(text)
    if value in (float("inf"), float("-inf")):
        raise ValueError(f"json: cannot unmarshal number {text} into Go value of type float64")
    return value


def _constant(text: str) -> float:
    raise ValueError(f"invalid character {text[0]!r} looking for beginning of value")


_lenient = json.JSONDecoder(parse_int=float, parse_constant=_constant)
"""Takes numbers beyond float64 as infinite: what is not asked for may hold them."""

_decoder = json.JSONDecoder(parse_int=_number, parse_float=_number, parse_constant=_constant)


def decode(body: bytes) -> Any:
    """The value of a JSON text. Raises ``ValueError`` as Go would fail."""
    text = body.decode("utf-8", _EACH_BYTE)
    try:
        return _decoder.decode(text)
    except RecursionError:
        return deep_json.decode(text, _number)


def _leniently(text: str) -> Any:
    try:
        return _lenient.decode(text)
    except RecursionError:
        return deep_json.decode(text, float)


def decode_object(body: bytes) -> dict[str, Any] | None:
    """A JSON object, or null. Raises ``RequestFailed`` for anything else."""
    try:
        value = decode(body)
    except ValueError as error:
        raise RequestFailed(fault(body) or str(error)) from error
    if value is not None and not isinstance(value, dict):
        kind = {list: "array", str: "string", bool: "bool"}.get(type(value), "number")
        raise RequestFailed(
            f"json: cannot unmarshal {kind} into Go value of type map[string]interface {{}}"
        )
    return value


def predictions_to_instances(body: bytes) -> bytes | None:
    """``{"instances": predictions}`` if the body is an object whose ``predictions`` is a
    non-empty list (and whose ``instances``, if any, is a list), else ``None``."""
    try:
        value = _leniently(body.decode("utf-8", _EACH_BYTE))
    except ValueError:
        return None
    if not isinstance(value, dict):
        return None
    fields: dict[str, Any] = {}
    for key, item in value.items():
        if key.lower() in ("predictions", "instances"):
            if item is not None and not isinstance(item, list):
                return None
            fields[key.lower()] = item
    if not fields.get("predictions"):
        return None
    try:
        encode(fields.get("instances"))
        return encode({"instances": fields["predictions"]})
    except ValueError:
        return None


_ESCAPED = re.compile('["\\\\<>&\x00-\x1f\u2028\u2029\ud800-\udfff]')
_SHORT = {'"': '\\"', "\\": "\\\\", "\n": "\\n", "\r": "\\r", "\t": "\\t", "\b": "\\b", "\f": "\\f"}


def _escape(match: re.Match[str]) -> str:
    char = match.group()
    if "\ud800" <= char <= "\udfff":
        return "\ufffd"
    return _SHORT.get(char) or f"\\u{ord(char):04x}"


def _string(text: str) -> str:
    return f'"{_ESCAPED.sub(_escape, text)}"'


def _float(value: float) -> str:
    """Shortest digits; exponents only below 1e-6 and from 1e21 on, without leading zeros.
    Raises ``ValueError`` for what JSON has no number for."""
    if math.isinf(value):
        raise ValueError("json: unsupported value")
    if value == 0:
        return "-0" if str(value).startswith("-") else "0"
    digits = repr(value)
    mantissa, _, exponent = digits.partition("e")
    size = abs(value)
    if 1e-6 <= size < 1e21:
        if not exponent:
            return mantissa.removesuffix(".0")
        sign = "-" if mantissa.startswith("-") else ""
        whole, _, fraction = mantissa.lstrip("-").partition(".")
        shift = int(exponent)
        if shift < 0:
            return f"{sign}0.{'0' * (-shift - 1)}{whole}{fraction}"
        return f"{sign}{whole}{fraction.ljust(shift, '0')}"
    if not exponent:
        return digits
    power = int(exponent)
    return f"{mantissa.removesuffix('.0')}e{'-' if power < 0 else '+'}{abs(power):02d}".replace(
        "e-0", "e-"
    )


def _scalar(value: Any) -> str:
    if value is None:
        return "null"
    if value is True or value is False:
        return "true" if value else "false"
    return _string(value) if isinstance(value, str) else _float(float(value))


def _members(value: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    for key in sorted(value, key=lambda k: k.encode("utf-8", "replace")):
        yield _string(key), value[key]


def _write(value: Any, out: list[str]) -> None:
    if not isinstance(value, (dict, list)):
        out.append(_scalar(value))
    elif isinstance(value, dict):
        out.append("{")
        for number, (key, item) in enumerate(_members(value)):
            out.append(f"{',' if number else ''}{key}:")
            _write(item, out)
        out.append("}")
    else:
        out.append("[")
        for number, item in enumerate(value):
            if number:
                out.append(",")
            _write(item, out)
        out.append("]")


def encode(value: Any) -> bytes:
    """A decoded value as Go writes it, without spaces."""
    out: list[str] = []
    try:
        _write(value, out)
    except RecursionError:
        out = [deep_json.encode(value, _scalar, _members)]
    return "".join(out).encode("utf-8", "replace")
