"""What a graph's outputs by name are to whoever asked for them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from umbel.graph.value_types import Signature


def as_answer(outputs: Mapping[str, Any]) -> Any:
    """The graph's answer: its only output, or its outputs by name."""
    return outputs["output"] if list(outputs) == ["output"] else outputs


def as_step_value(outputs: Mapping[str, Any], signature: Signature) -> Any:
    """The value of a step that calls a graph of this signature, as the traced function had it:
    a dict, the only output, or a tuple."""
    if signature.keyed:
        return outputs
    values = tuple(outputs.values())
    return values[0] if list(outputs) == ["output"] else values
