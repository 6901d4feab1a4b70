"""The values of a call, in the form a model's library takes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from umbel.graph.errors import InvalidInput
from umbel.graph.value_types import Port, ValueType
from umbel.nodes import forms
from umbel.nodes.descriptions import listing
from umbel.nodes.loaded import UnfitInput
from umbel.nodes.shapes import Bound


def taken(value: object, type: ValueType, name: str = "x", bound: Bound | None = None) -> Any:
    """``value`` as ``type``; the value itself where it already is. Raises UnfitInput."""
    try:
        return forms.convert(value, type, f"input {name!r}", bound)
    except InvalidInput as error:
        raise UnfitInput(str(error), name) from None


def in_order(values: Mapping[str, Any], ports: Sequence[Port]) -> list[Any]:
    """The values as a model takes them, one for each port. Raises UnfitInput."""
    names = [port.name for port in ports]
    if values.keys() != set(names):
        raise UnfitInput(f"expected inputs {listing(names)}, got {listing(values)}")
    return [values[name] for name in names]
