"""A plan as plain JSON data and back: how it travels to a cluster in a text anyone can read.

Reading it builds frozen dataclasses of this package and nothing else: no pickle, no import, no
code. Equal plans give equal data, whatever the lines their resources stood at; a field that has
its default is left out, so that a new field of a later release changes no text.

A dataclass is ``{"is": "Call", ...}``, a tuple a list, a list ``{"is": "list", "of": [...]}``.
"""

from __future__ import annotations

import dataclasses
import functools
import math
from collections.abc import Mapping
from types import ModuleType
from typing import Any

from umbel.graph import (
    implementations,
    ir,
    message_steps,
    options,
    placement,
    plan,
    router_steps,
    steps,
    value_types,
)
from umbel.graph.errors import DeclarationError
from umbel.graph.findings import Place
from umbel.graph.plan import Plan

_MODULES: tuple[ModuleType, ...] = (
    implementations,
    ir,
    message_steps,
    options,
    placement,
    plan,
    router_steps,
    steps,
    value_types,
)
_TAG = "is"


def to_data(part: Plan) -> dict[str, Any]:
    """The plan without the places and the decisions, which are for people.

    Raises ``DeclarationError`` where it holds what has no such form: code of a Python file.
    """
    data: dict[str, Any] = _encode(dataclasses.replace(part, decisions=()), "plan")
    return data


def from_data(data: Any) -> Plan:
    """The plan that ``to_data`` took. Raises ``DeclarationError`` for anything else."""
    read = _decode(data)
    if not isinstance(read, Plan):
        raise DeclarationError(f"expected a plan; got {type(read).__name__}")
    return read


@functools.cache
def _classes() -> Mapping[str, type[Any]]:
    """Every dataclass of the form, by name. ``PythonCode`` holds a live object: not it."""
    return {
        name: value
        for module in _MODULES
        for name, value in vars(module).items()
        if isinstance(value, type)
        and dataclasses.is_dataclass(value)
        and value not in (Place, implementations.PythonCode)
    }


def _encode(value: Any, where: str) -> Any:
    if value is None or isinstance(value, (bool, int, str)):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else {_TAG: "float", "of": str(value)}
    if isinstance(value, tuple):
        return [_encode(item, f"{where}[{index}]") for index, item in enumerate(value)]
    if isinstance(value, list):
        items = [_encode(item, f"{where}[{index}]") for index, item in enumerate(value)]
        return {_TAG: "list", "of": items}
    if isinstance(value, Mapping):
        return _encode_mapping(value, where)
    if isinstance(value, implementations.PythonCode):
        raise DeclarationError(
            f"{where}: {value.reference} is code of a Python file, which the cluster does not "
            "have: name the class in an InferenceService (containers[0].command) and put its "
            "package into the image"
        )
    if type(value).__name__ in _classes():
        return _encode_dataclass(value, where)
    raise DeclarationError(f"{where}: a {type(value).__name__} has no JSON form")


def _encode_mapping(value: Mapping[Any, Any], where: str) -> dict[str, Any]:
    if _TAG not in value and all(isinstance(key, str) for key in value):
        return {key: _encode(value[key], f"{where}.{key}") for key in sorted(value)}
    pairs = sorted(value.items(), key=lambda pair: (type(pair[0]).__name__, pair[0]))
    return {_TAG: "mapping", "of": [[_encode(k, where), _encode(v, where)] for k, v in pairs]}


def _encode_dataclass(value: Any, where: str) -> dict[str, Any]:
    data: dict[str, Any] = {_TAG: type(value).__name__}
    for field in dataclasses.fields(value):
        given = getattr(value, field.name)
        if isinstance(given, Place) or _is_default(field, given):
            continue
        data[field.name] = _encode(given, f"{where}.{field.name}")
    return data


def _is_default(field: dataclasses.Field[Any], given: Any) -> bool:
    if field.default is not dataclasses.MISSING:
        # 0, 0.0 and False are equal, and not the same text.
        return type(given) is type(field.default) and bool(given == field.default)
    if field.default_factory is not dataclasses.MISSING:
        return bool(given == field.default_factory())
    return False


def _decode(data: Any) -> Any:
    if isinstance(data, list):
        return tuple(_decode(item) for item in data)
    if not isinstance(data, Mapping):
        return data
    kind = data.get(_TAG)
    if kind is None:
        return {key: _decode(item) for key, item in data.items()}
    of = data.get("of", ())
    if kind == "list":
        return [_decode(item) for item in of]
    if kind == "mapping":
        return {_decode(key): _decode(item) for key, item in of}
    if kind == "float":
        return float(of)
    return _decode_dataclass(str(kind), data)


def _decode_dataclass(kind: str, data: Mapping[str, Any]) -> Any:
    cls = _classes().get(kind)
    if cls is None:
        raise DeclarationError(f"this umbel knows no {kind!r}: is the image's release older?")
    given = {key: _decode(item) for key, item in data.items() if key != _TAG}
    unknown = given.keys() - {field.name for field in dataclasses.fields(cls)}
    if unknown:
        names = ", ".join(sorted(unknown))
        raise DeclarationError(f"this umbel's {kind} has no {names}: is the image's release older?")
    try:
        return cls(**given)
    except TypeError as error:
        raise DeclarationError(f"{kind}: {error}") from error
