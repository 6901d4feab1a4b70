"""Parameter maps: ``InferParameter`` messages ⇄ plain values."""

from __future__ import annotations

from typing import Any

import orjson

from umbel.serving.protocols import v2_reading
from umbel.serving.protocols.payload import Parameters

_LEAST, _MOST, _MOST_UNSIGNED = -(2**63), 2**63 - 1, 2**64 - 1


def parameters_from(entries: Any, what: str, *, classes: bool = False) -> Parameters:
    """Plain values by name; null for one without a value. Raises InvalidInput for those of
    extensions that umbel does not have (shared memory), and for ``classification`` where it is
    not an output's (``classes``)."""
    if not entries:
        return {}
    values = {name: _value(entry) for name, entry in entries.items()}
    return v2_reading.read_parameters(values, what, classes=classes)


def write_parameters(parameters: Parameters, entries: Any) -> None:
    """Fill a parameter map; what has no type of its own there is written as JSON text."""
    for name, value in parameters.items():
        entry = entries[name]
        if isinstance(value, bool):
            entry.bool_param = value
        elif isinstance(value, int) and _LEAST <= value <= _MOST:
            entry.int64_param = value
        elif isinstance(value, int) and 0 <= value <= _MOST_UNSIGNED:
            entry.uint64_param = value
        elif isinstance(value, float):
            entry.double_param = value
        else:
            text = value if isinstance(value, str) else orjson.dumps(value, default=str).decode()
            entry.string_param = text


def _value(entry: Any) -> object:
    kind = entry.WhichOneof("parameter_choice")
    return None if kind is None else getattr(entry, kind)
