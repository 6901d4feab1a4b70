"""The IR as plain JSON: the same program always gives the same text."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from typing import Any

from umbel.graph.findings import Place
from umbel.graph.ir import Program
from umbel.graph.steps import Step


def as_data(value: Any) -> Any:
    """Plain data for any part of the IR. Steps get their kind; code is told by reference;
    a value JSON has no form for is told by its ``repr``."""
    if isinstance(value, Place):
        return str(value)
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        data = {
            f.name: as_data(getattr(value, f.name))
            for f in dataclasses.fields(value)
            if f.name != "target"
        }
        return {"kind": type(value).__name__, **data} if isinstance(value, Step) else data
    if isinstance(value, Mapping):
        return {str(key): as_data(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [as_data(item) for item in value]
    if value is None or isinstance(value, (str, int, float, bool)):
        return value
    return repr(value)


def to_json(program: Program) -> str:
    """Canonical JSON of a program: sorted keys, two spaces."""
    return json.dumps(as_data(program), indent=2, sort_keys=True)
