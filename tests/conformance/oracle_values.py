"""JSON as Go writes it, and the simple conditions of generated graphs, for the oracle."""

from __future__ import annotations

import json
import math
import re
from decimal import Decimal
from typing import Any


def _refuse(text: str) -> float:
    raise ValueError(text)


def _double(text: str) -> float:
    if math.isinf(float(text)):
        raise ValueError(text)
    return float(text)


def is_json(body: bytes) -> bool:
    """Strictly one JSON value."""
    try:
        json.loads(body.decode(), parse_constant=_refuse)
    except ValueError:
        return False
    return True


def json_object(body: bytes) -> dict[str, Any] | None:
    """An object, or null, with every number as a double. Raises ``ValueError`` otherwise."""
    value = json.loads(
        body.decode(), parse_constant=_refuse, parse_int=_double, parse_float=_double
    )
    if value is not None and not isinstance(value, dict):
        raise ValueError("not an object")
    return value


def predictions_to_instances(body: bytes) -> bytes:
    """``mapPredictionsToInstances``."""
    try:
        value = json_object(body) or {}
    except ValueError:
        return body
    predictions, instances = value.get("predictions"), value.get("instances")
    if not isinstance(instances, (list, type(None))):
        return body
    if not isinstance(predictions, list) or not predictions:
        return body
    return go_json({"instances": predictions})


def go_json(value: Any) -> bytes:
    """Sorted keys, doubles, ``<``, ``>``, ``&`` escaped, no spaces."""
    return _written(value).encode()


def _written(value: Any) -> str:
    if isinstance(value, dict):
        ordered = sorted(value, key=str.encode)
        return "{" + ",".join(f"{_text(key)}:{_written(value[key])}" for key in ordered) + "}"
    if isinstance(value, list):
        return "[" + ",".join(_written(item) for item in value) + "]"
    if isinstance(value, str):
        return _text(value)
    if isinstance(value, bool) or value is None:
        return json.dumps(value)
    return _number(float(value))


def _text(text: str) -> str:
    written = json.dumps(text, ensure_ascii=False)
    return re.sub("[<>&\u2028\u2029]", lambda found: f"\\u{ord(found.group()):04x}", written)


def _number(value: float) -> str:
    if value == 0:
        return "-0" if math.copysign(1, value) < 0 else "0"
    exact = Decimal(repr(value))
    if 1e-6 <= abs(value) < 1e21:
        plain = format(exact, "f")
        return plain.rstrip("0").rstrip(".") if "." in plain else plain
    sign, digits, _ = exact.as_tuple()
    mantissa = "".join(map(str, digits)).rstrip("0")
    mantissa = mantissa[0] + ("." + mantissa[1:] if mantissa[1:] else "")
    power = exact.adjusted()
    return f"{'-' * sign}{mantissa}e{'+' if power > 0 else '-'}{abs(power)}"


_MISSING = object()
_QUERY = re.compile(r'#\((\w+)(==|!=|>|<)("?)([^")]*)\3\)(#?)')
_PART = re.compile(r"#\([^)]*\)#?|\[@this\]|[^.]+")


def exists(document: Any, path: str) -> bool:
    """Whether a path of generated graphs finds anything: keys, indices, ``#``, simple queries,
    ``@this`` and ``[@this]``. The empty path finds nothing."""
    return bool(path) and _find(document, _PART.findall(path)) is not _MISSING


def _find(value: Any, parts: list[str]) -> Any:
    if not parts:
        return value
    first, rest = parts[0], parts[1:]
    if first == "@this":
        return _find(value, rest)
    if first == "[@this]":
        return _find([value], rest)
    if first.startswith("#"):
        return _in_list(value, first, rest)
    if isinstance(value, list):
        inside = first.isdigit() and int(first) < len(value)
        return _find(value[int(first)], rest) if inside else _MISSING
    if isinstance(value, dict) and first in value:
        return _find(value[first], rest)
    return _MISSING


def _in_list(value: Any, first: str, rest: list[str]) -> Any:
    if not isinstance(value, list):
        return _MISSING
    if first == "#":
        return len(value) if not rest else [_find(item, rest) for item in value]
    query = _QUERY.fullmatch(first)
    assert query is not None, first
    key, operator, _, right, every = query.groups()
    hits = [item for item in value if _holds(item, key, operator, right)]
    if every:
        return hits
    return _find(hits[0], rest) if hits else _MISSING


def _holds(item: Any, key: str, operator: str, right: str) -> bool:
    if not isinstance(item, dict) or key not in item:
        return False
    left: Any = item[key]
    if isinstance(left, bool):
        same = right == json.dumps(left)
        beyond = right == ("false" if left else "true") and operator == (">" if left else "<")
        return {"==": same, "!=": not same}.get(operator, beyond)
    other: Any = right
    if isinstance(left, (int, float)):
        left, other = float(left), _as_number(right)
    elif not isinstance(left, str):
        return False
    return bool(
        {"==": left == other, "!=": left != other, ">": left > other, "<": left < other}[operator]
    )


def _as_number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return 0.0
