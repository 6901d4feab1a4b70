"""A request's values on a graph's named inputs, each in the form its port declares.

One input takes whatever comes: all ``instances``, or the only tensor whatever its name (stock
clients call it ``input-0``). Several inputs are taken by name: from a list of rows (each key
gathered into a column), from a dict of columns, or from tensors.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from umbel.graph.errors import InvalidInput
from umbel.graph.value_types import DTYPES, OIP_TO_DTYPE, Port, Signature, ValueType
from umbel.nodes.descriptions import clip, describe, listing
from umbel.nodes.forms import convert
from umbel.nodes.shapes import Bound
from umbel.serving.protocols.payload import InferRequest, Tensor
from umbel.serving.protocols.v1 import V1Request

Inputs = dict[str, Any]

_SINGLE = ("str", "bytes", "int", "float", "bool", "dict")
"""Forms that are one value: a list of one instance stands for it."""

_WHOLE = ("any", "json", "list", "dict", "dataframe")
"""Forms that can hold several named things: they take dicts as they come."""


def bind_v1(request: V1Request, signature: Signature) -> Inputs:
    """The graph's inputs by name. Raises InvalidInput, listing the names expected."""
    ports = signature.inputs
    if len(ports) == 1:
        return _convert_all({ports[0].name: _only_value(request.value, ports[0])}, signature)
    if not ports:
        return {}
    columns = request.value
    if isinstance(columns, list):
        columns = _columns_of(columns, signature)
    _require_names(columns, signature, "input")
    return _convert_all(
        {name: _unwrap(value, _type(signature, name), name) for name, value in columns.items()},
        signature,
    )


def bind_v2(request: InferRequest, signature: Signature) -> Inputs:
    """The graph's inputs by name. Raises InvalidInput, listing the names expected."""
    ports = signature.inputs
    if not ports:
        return {}
    if len(ports) == 1:
        return _convert_all({ports[0].name: _only_tensors(request, ports[0])}, signature)
    tensors = {tensor.name: tensor for tensor in request.inputs}
    _require_names(tensors, signature, "input tensor")
    return _convert_all(
        {name: _array(tensor, _type(signature, name)) for name, tensor in tensors.items()},
        signature,
    )


def _convert_all(values: Mapping[str, Any], signature: Signature) -> Inputs:
    bound: Bound = {}
    return {
        port.name: convert(values[port.name], port.type, f"input {port.name!r}", bound)
        for port in signature.inputs
        if port.name in values
    }


def _only_value(value: Any, port: Port) -> Any:
    """V1 for one input: the instances, unless they or the columns name the input."""
    if isinstance(value, dict):
        if value.keys() == {port.name}:
            return _unwrap(value[port.name], port.type, port.name)
        if port.type.form in _WHOLE:
            return value
        raise InvalidInput(f"expected input [{port.name!r}], got {listing(value)}")
    if port.type.form in _WHOLE and port.type.form != "dict":
        return value
    if port.type.form != "dict" and value and _all_named(value, port.name):
        value = [row[port.name] for row in value]
    return _unwrap(value, port.type, port.name)


def _all_named(rows: Sequence[Any], name: str) -> bool:
    return type(rows[0]) is dict and all(
        isinstance(row, dict) and row.keys() == {name} for row in rows
    )


def _unwrap(value: Any, type: ValueType, name: str) -> Any:
    if type.form not in _SINGLE or not isinstance(value, list):
        return value
    if len(value) == 1:
        return value[0]
    raise InvalidInput(
        f"input {name!r}: expected one instance ({type.form}), got {len(value)}:"
        " send a request for each"
    )


def _columns_of(rows: Sequence[Any], signature: Signature) -> dict[str, list[Any]]:
    names = [port.name for port in signature.inputs]
    if not rows:
        return {name: [] for name in names}
    for index, row in enumerate(rows):
        if not isinstance(row, dict):
            raise InvalidInput(
                f"instances[{index}]: expected an object with keys {listing(names)},"
                f" got {describe(row)}"
            )
        if row.keys() != rows[0].keys():
            raise InvalidInput(
                f"instances[{index}]: expected the keys of the first, {listing(rows[0])},"
                f" got {listing(row)}"
            )
    return {name: [row[name] for row in rows] for name in rows[0]}


def _only_tensors(request: InferRequest, port: Port) -> Any:
    """V2 for one input: the tensor, or several as columns where the form can hold them."""
    tensors, form = request.inputs, port.type.form
    if not tensors:
        raise InvalidInput(f"expected one input tensor ({port.name!r}: {port.type}), got none")
    as_frame = form == "dataframe" or (
        form == "any" and request.parameters.get("content_type") == "pd"
    )
    if len(tensors) == 1:
        array = _array(tensors[0], port.type)
        if not as_frame:
            return array
        value: Any = {tensors[0].name: array} if array.ndim == 1 else array
    elif form in _WHOLE:
        value = {tensor.name: tensor.array for tensor in tensors}
    else:
        names = [tensor.name for tensor in tensors]
        raise InvalidInput(f"expected one input tensor [{port.name!r}], got {listing(names)}")
    if as_frame and form == "any":
        return convert(value, ValueType("dataframe"), f"input {port.name!r}")
    return value


def _array(tensor: Tensor, type: ValueType) -> Any:
    """The tensor's array, if its datatype is the declared one or widens to it without loss."""
    if not type.is_tensor or type.dtype is None:
        return tensor.array
    expected = DTYPES.get(type.dtype)
    if tensor.datatype == expected:
        return tensor.array
    if "BYTES" not in (tensor.datatype, expected):
        came = OIP_TO_DTYPE[tensor.datatype]
        if came != "bool" and np.can_cast(came, type.dtype, "safe"):
            return tensor.array
    raise InvalidInput(
        f"input {clip(tensor.name)!r}: expected datatype {expected}, got {tensor.datatype}"
    )


def _type(signature: Signature, name: str) -> ValueType:
    return next(port.type for port in signature.inputs if port.name == name)


def _require_names(given: Iterable[str], signature: Signature, what: str) -> None:
    got = list(given)
    names = [port.name for port in signature.inputs]
    unknown = [name for name in got if name not in names]
    missing = [port.name for port in signature.inputs if port.required and port.name not in got]
    if unknown or missing:
        reason = f"unknown: {listing(unknown)}" if unknown else f"missing: {listing(missing)}"
        raise InvalidInput(f"expected {what}s {listing(names)}, got {listing(got)}; {reason}")
