"""What a YAML scalar means to Kubernetes: YAML 1.1 booleans and numbers, no dates."""

from __future__ import annotations

import re
from typing import Any

_TRUE = frozenset({"y", "Y", "yes", "Yes", "YES", "true", "True", "TRUE", "on", "On", "ON"})
_FALSE = frozenset({"n", "N", "no", "No", "NO", "false", "False", "FALSE", "off", "Off", "OFF"})
_NULL = frozenset({"", "~", "null", "Null", "NULL"})
_INTEGER = re.compile(r"^[-+]?(0b[01_]+|0o?[0-7_]+|0x[0-9a-fA-F_]+|0|[1-9][0-9_]*)$")
_FLOAT = re.compile(r"^[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?$")
_SPECIAL_FLOAT = re.compile(r"^([-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN))$")


def key_text(key: Any) -> str:
    """JSON has only string keys; sigs.k8s.io/yaml writes other scalars as text."""
    if isinstance(key, bool):
        return "true" if key else "false"
    return "null" if key is None else str(key)


def scalar(text: str, tag: str) -> Any:
    """The value of a scalar. ``tag`` is ``?`` for a plain one, else what quotes or ``!!`` gave."""
    kind = tag.rpartition(":")[2]
    if kind not in ("?", "int", "float", "bool", "null"):
        return text
    if text in _NULL:
        return None
    if text in _TRUE or text in _FALSE:
        return text in _TRUE
    if _INTEGER.match(text) and text.strip("_"):
        return _integer(text.replace("_", ""))
    if _FLOAT.match(text):
        return float(text)
    if _SPECIAL_FLOAT.match(text):
        return float(text.lower().replace(".", ""))
    return text


def _integer(text: str) -> int | float | str:
    digits = text.lstrip("+-")
    base = {"0b": 2, "0o": 8, "0x": 16}.get(digits[:2].lower(), 0)
    if not base and len(digits) > 1 and digits[0] == "0":
        base = 8
    if len(digits) > 400:
        return text
    return int(text, base or 10)
