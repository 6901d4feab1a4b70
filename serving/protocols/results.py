"""A graph's result → V1 predictions or V2 tensors.

A result that breaks the graph's own promise (a declared output is missing, a dtype cannot
hold the value) is a RequestFailed: the client did nothing wrong.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from umbel.graph.errors import InvalidInput, RequestFailed
from umbel.graph.value_types import Signature, ValueType
from umbel.nodes.casting import as_array
from umbel.nodes.descriptions import describe, listing
from umbel.nodes.forms import to_ndarray
from umbel.nodes.nested_lists import array_from_list
from umbel.serving.protocols.datatypes import tensor_of
from umbel.serving.protocols.json_bodies import encode_json
from umbel.serving.protocols.metadata import output_name
from umbel.serving.protocols.payload import Array, InferRequest, InferResponse, Tensor
from umbel.serving.protocols.v1 import V1Request, encode_predictions
from umbel.serving.protocols.v2 import require_outputs


def v1_body(result: object, signature: Signature, request: V1Request) -> bytes:
    """``{"predictions": ...}``: one output as it is, several as rows or columns.

    Rows (a dict for each instance) if the request had ``instances`` and all outputs share
    their leading axis, else a dict of columns.
    """
    outputs = named_outputs(result, signature)
    if len(outputs) == 1:
        return encode_predictions(next(iter(outputs.values())))
    if request.key == "instances":
        rows = _rows(outputs)
        if rows is not None:
            return encode_predictions(rows)
    return encode_predictions(outputs)


def v2_response(
    result: object,
    signature: Signature,
    *,
    model_name: str,
    id: str,
    model_version: str | None = None,
) -> InferResponse:
    """The response with all outputs; ``encode_infer_response`` takes those asked for.

    One tensor an output, named after its port (``output-0`` if it has no name). A dict or a
    DataFrame as the only output is a tensor for each key or column. What is no tensor becomes
    BYTES: text as UTF-8, all else as JSON text.
    """
    outputs = named_outputs(result, signature)
    tensors: list[Tensor] = []
    for port in signature.outputs:
        value, name = outputs[port.name], output_name(port, signature)
        if isinstance(value, np.ndarray) or signature.keyed or len(outputs) > 1:
            tensors.append(_tensor(name, value, port.type))
        elif _is_frame(value):
            tensors += [_tensor(str(key), value[key]) for key in value.columns]
        elif isinstance(value, Mapping) and value:
            tensors += [_tensor(str(key), item) for key, item in value.items()]
        else:
            tensors.append(_tensor(name, value, port.type))
    return InferResponse(model_name, tuple(tensors), id, model_version)


def check_requested_outputs(request: InferRequest, signature: Signature) -> None:
    """Refuse unknown outputs before the graph runs, as far as its signature names them all."""
    if request.outputs and (signature.keyed or signature.outputs[0].type.is_tensor):
        require_outputs(request, [output_name(port, signature) for port in signature.outputs])


def named_outputs(result: object, signature: Signature) -> dict[str, Any]:
    """The result's parts by port name."""
    ports = signature.outputs
    if not signature.keyed and len(ports) == 1:
        return {ports[0].name: result}
    if isinstance(result, Mapping) and all(port.name in result for port in ports):
        return {port.name: result[port.name] for port in ports}
    if isinstance(result, tuple) and len(result) == len(ports):
        return {port.name: part for port, part in zip(ports, result, strict=True)}
    expected = listing([port.name for port in ports])
    raise RequestFailed(f"the graph declares outputs {expected}, it gave {describe(result)}")


def _rows(outputs: Mapping[str, Any]) -> list[dict[str, Any]] | None:
    columns = [_column(value) for value in outputs.values()]
    lengths = {None if column is None else len(column) for column in columns}
    if len(lengths) != 1 or None in lengths:
        return None
    names = list(outputs)
    whole = [column for column in columns if column is not None]
    return [dict(zip(names, row, strict=True)) for row in zip(*whole, strict=True)]


def _column(value: Any) -> list[Any] | None:
    if isinstance(value, (list, tuple)):
        return list(value)
    if _is_frame(value):
        return list(value.to_dict(orient="records"))
    if isinstance(value, (str, bytes, Mapping)):
        return None
    array = as_array(value)
    return None if array is None or not array.ndim else list(array)


def _tensor(name: str, value: Any, type: ValueType | None = None) -> Tensor:
    if type is not None and type.is_tensor and type.dtype is not None:
        return _declared(name, value, type)
    if isinstance(value, np.ndarray):
        return _of_array(name, value)
    if isinstance(value, bool):
        return tensor_of(name, np.array([value]))
    if isinstance(value, (int, float)) and not isinstance(value, np.generic):
        return _listed(name, [value])
    if isinstance(value, (str, bytes)):
        return _objects(name, [value], (1,))
    if isinstance(value, (list, tuple)):
        return _listed(name, value)
    if isinstance(value, Mapping) or _is_frame(value):
        return _objects(name, [value], (1,))
    array = as_array(value)
    if array is None:
        return _objects(name, [value], (1,))
    return _of_array(name, array.reshape(1) if isinstance(value, np.generic) else array)


def _declared(name: str, value: Any, type: ValueType) -> Tensor:
    try:
        return tensor_of(name, to_ndarray(value, ValueType("ndarray", type.dtype), name))
    except InvalidInput as error:
        raise RequestFailed(f"output {name!r} is not what the graph declares: {error}") from error


def _of_array(name: str, array: Array) -> Tensor:
    if array.dtype == object:
        return _objects(name, array.reshape(-1).tolist(), array.shape)
    try:
        return tensor_of(name, array)
    except InvalidInput as error:
        raise RequestFailed(f"output {name!r} has no V2 form: {error}") from error


def _listed(name: str, value: list[Any] | tuple[Any, ...]) -> Tensor:
    try:
        return tensor_of(name, array_from_list(value, None, name, keep_integers=True))
    except InvalidInput:
        return _objects(name, value, (len(value),))


def _objects(name: str, flat: list[Any] | tuple[Any, ...], shape: tuple[int, ...]) -> Tensor:
    """BYTES: text and bytes as they are, anything else as JSON text."""
    elements: Array = np.empty(len(flat), dtype=object)
    for index, item in enumerate(flat):
        if isinstance(item, str):
            elements[index] = item.encode()
        else:
            elements[index] = item if isinstance(item, bytes) else encode_json(item)
    return Tensor(name, "BYTES", shape, elements.reshape(shape))


def _is_frame(value: object) -> bool:
    return hasattr(value, "columns") and hasattr(value, "to_dict")
