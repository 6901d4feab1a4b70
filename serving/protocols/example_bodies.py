"""Example V1 and V2 bodies from a signature; each is accepted by ``binding``."""

from __future__ import annotations

import math
from typing import Any

from umbel.graph.value_types import Signature, ValueType
from umbel.serving.protocols.metadata import input_tensors, port_datatype

MAX_ELEMENTS = 64
"""A larger example (an image) helps nobody: there is none."""

_SAMPLES: dict[str, Any] = {
    "str": "text",
    "bytes": "text",
    "int": 1,
    "float": 0.5,
    "bool": True,
    "dict": {},
}


def v1_example(signature: Signature) -> dict[str, Any] | None:
    """A request for ``:predict``; None if a port does not say what it takes."""
    values = {port.name: _value(port.type) for port in signature.inputs}
    if not values or any(value is None for value in values.values()):
        return None
    if len(values) > 1:
        return {"inputs": values}
    port, value = signature.inputs[0], next(iter(values.values()))
    if port.type.form in _SAMPLES:
        return {"instances": [value]}
    return {"instances": value} if isinstance(value, list) else {"inputs": values}


def v2_example(signature: Signature) -> dict[str, Any] | None:
    """A request for ``/infer``; None if a port does not say what it takes."""
    tensors = [_tensor(*tensor) for port in signature.inputs for tensor in input_tensors(port)]
    if not tensors or any(tensor is None for tensor in tensors):
        return None
    return {"inputs": tensors}


def _tensor(name: str, type: ValueType) -> dict[str, Any] | None:
    datatype = port_datatype(type)
    if datatype == "FP16":
        return None
    if type.is_tensor or type.columns:
        shape = _shape(type)
        if shape is None:
            return None
        data = [_element(type)] * math.prod(shape)
    elif type.form in _SAMPLES:
        sample = _SAMPLES[type.form]
        shape, data = [1], ["{}" if sample == {} else sample]
    else:
        return None
    return {"name": name, "shape": shape, "datatype": datatype, "data": data}


def _value(type: ValueType) -> Any:
    if type.form in _SAMPLES:
        return _SAMPLES[type.form]
    if type.columns:
        return [{one.name: _element(ValueType("any", one.dtype)) for one in type.columns}]
    shape = _shape(type) if type.is_tensor else None
    if shape is None:
        return None
    value = _element(type)
    for length in reversed(shape):
        value = [value] * length
    return value


def _element(type: ValueType) -> Any:
    if type.dtype == "bool":
        return True
    if type.dtype in ("str", "bytes"):
        return "text"
    return 1 if type.dtype is not None and "int" in type.dtype else 0.5


def _shape(type: ValueType) -> list[int] | None:
    """Named lengths are 1, leading axes are left out; None if unknown or too large."""
    if type.shape is None:
        return None
    shape = [dim if isinstance(dim, int) else 1 for dim in type.shape if dim != "..."]
    return shape if math.prod(shape) <= MAX_ELEMENTS else None
