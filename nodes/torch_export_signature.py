"""What a program of ``torch.export`` tells of its inputs and outputs."""

from __future__ import annotations

import re
from typing import Any

from umbel.graph.value_types import DTYPES, Dim, Port, Signature, ValueType


def exported_signature(program: Any) -> Signature:
    """Ports with dtypes and shapes. A single input is ``x``, several bear their own names."""
    nodes = {node.name: node for node in program.graph.nodes}
    names = list(program.graph_signature.user_inputs)
    keys: dict[str, str] = {}
    inputs = tuple(
        Port("x" if len(names) == 1 else name, _value_type(nodes.get(name), keys)) for name in names
    )
    outputs = list(program.graph_signature.user_outputs)
    types = [_value_type(nodes.get(name), keys) for name in outputs]
    layout = program.call_spec.out_spec
    if layout is not None and layout.type is dict and len(layout.context) == len(types):
        keyed = tuple(Port(str(k), kind) for k, kind in zip(layout.context, types, strict=True))
        return Signature(inputs, keyed, keyed=True)
    if len(types) == 1:
        return Signature(inputs, (Port("output", types[0]),))
    return Signature(
        inputs, tuple(Port(f"output_{n}", kind) for n, kind in enumerate(types)), keyed=True
    )


def _value_type(node: Any, keys: dict[str, str]) -> ValueType:
    value = None if node is None else node.meta.get("val")
    if value is None or not hasattr(value, "dtype"):
        return ValueType("ndarray")
    name = str(value.dtype).removeprefix("torch.")
    dims = tuple(_dim(axis, length, keys) for axis, length in enumerate(value.shape))
    return ValueType("ndarray", name if name in DTYPES else None, dims)


def _dim(axis: int, length: Any, keys: dict[str, str]) -> Dim:
    if isinstance(length, int):
        return length
    symbol = str(length)
    if not re.fullmatch(r"[a-z]\w*", symbol):
        return f"({symbol})"
    if symbol not in keys:
        taken = set(keys.values())
        keys[symbol] = "batch" if axis == 0 and "batch" not in taken else f"n{len(keys)}"
    return keys[symbol]
