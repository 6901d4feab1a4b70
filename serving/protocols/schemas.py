"""JSON schemas (2020-12, as OpenAPI 3.1 has them) of ports and of V1 and V2 bodies."""

from __future__ import annotations

from typing import Any

from umbel.graph.value_types import DTYPES, Dim, Port, Signature, ValueType
from umbel.serving.protocols.metadata import output_name, port_datatype

Schema = dict[str, Any]

_FORMS: dict[str, Schema] = {
    "str": {"type": "string"},
    "bytes": {"type": "string", "description": "UTF-8 text"},
    "int": {"type": "integer"},
    "float": {"type": "number"},
    "bool": {"type": "boolean"},
    "dict": {"type": "object"},
    "list": {"type": "array"},
    "dataframe": {"type": "array", "description": "rows, as objects or lists"},
}
_SINGLE = ("str", "bytes", "int", "float", "bool", "dict")
_TEXT: Schema = {"type": "string"}
_LENGTHS: Schema = {"type": "array", "items": {"type": "integer", "minimum": 0}}

ERROR: Schema = {
    "type": "object",
    "properties": {"error": {"type": "string"}},
    "required": ["error"],
}


def value_schema(type: ValueType) -> Schema:
    """A value in V1 JSON: nested arrays with their lengths for tensors."""
    if type.form in _FORMS:
        return dict(_FORMS[type.form])
    if not type.is_tensor:
        return {}
    if type.shape is None or "..." in type.shape:
        return {"description": str(type)}
    schema = _element_schema(type.dtype)
    for dim in reversed(type.shape):
        schema = _axis(schema, dim)
    return {**schema, "description": str(type)}


def _element_schema(dtype: str | None) -> Schema:
    if dtype is None or dtype.startswith("float"):
        return {"type": "number"}
    if dtype == "bool":
        return {"type": "boolean"}
    return {"type": "string"} if dtype in ("str", "bytes") else {"type": "integer"}


def _axis(items: Schema, dim: Dim) -> Schema:
    if isinstance(dim, int) and dim >= 0:
        return {"type": "array", "items": items, "minItems": dim, "maxItems": dim}
    return {"type": "array", "items": items}


def v1_request(signature: Signature) -> Schema:
    """``instances`` or ``inputs``."""
    columns = _columns(signature.inputs)
    required = [port.name for port in signature.inputs if port.required]
    by_name: Schema = {"type": "object", "properties": columns, "required": required}
    if len(signature.inputs) == 1:
        only = signature.inputs[0].type
        instances = value_schema(only)
        if only.form in _SINGLE:
            instances = {"type": "array", "items": instances, "minItems": 1, "maxItems": 1}
        elif "type" not in instances:
            instances = {**instances, "type": "array"}
    else:
        instances = {"type": "array", "items": {"type": "object", "required": required}}
    return {
        "type": "object",
        "oneOf": [
            {"required": ["instances"], "properties": {"instances": instances}},
            {"required": ["inputs"], "properties": {"inputs": {"anyOf": [by_name, instances]}}},
        ],
    }


def v1_response(signature: Signature) -> Schema:
    """``predictions``: the output, or rows or columns of several."""
    if len(signature.outputs) == 1:
        predictions = value_schema(signature.outputs[0].type)
    else:
        predictions = {
            "anyOf": [
                {"type": "object", "properties": _columns(signature.outputs)},
                {"type": "array", "items": {"type": "object"}},
            ]
        }
    return {
        "type": "object",
        "required": ["predictions"],
        "properties": {"predictions": predictions},
    }


def graph_request(signature: Signature) -> Schema:
    """The body of the graph call: as V1, or any JSON the graph takes."""
    return {"anyOf": [v1_request(signature), {}]}


def v2_request(signature: Signature) -> Schema:
    """An inference request with the graph's own tensors."""
    only = len(signature.inputs) == 1
    tensors = [_tensor(port.name, port.type, any_name=only) for port in signature.inputs]
    requested = {
        "type": "object",
        "required": ["name"],
        "properties": {"name": _TEXT, "parameters": {"type": "object"}},
    }
    return {
        "type": "object",
        "required": ["inputs"],
        "properties": {
            "id": _TEXT,
            "parameters": {"type": "object"},
            "inputs": {"type": "array", "items": _any_of(tensors)},
            "outputs": {"type": "array", "items": requested},
        },
    }


def v2_response(signature: Signature) -> Schema:
    """An inference response with the graph's own tensors."""
    tensors = [_tensor(output_name(port, signature), port.type) for port in signature.outputs]
    return {
        "type": "object",
        "required": ["model_name", "outputs"],
        "properties": {
            "model_name": _TEXT,
            "model_version": _TEXT,
            "id": _TEXT,
            "parameters": {"type": "object"},
            "outputs": {"type": "array", "items": _any_of(tensors)},
        },
    }


def _tensor(name: str, type: ValueType, *, any_name: bool = False) -> Schema:
    known = type.is_tensor and type.dtype is not None
    datatype: Schema = (
        {"const": port_datatype(type)} if known else {"enum": sorted(set(DTYPES.values()))}
    )
    described: Schema = {"type": "string", "description": f"any; the port is called {name}"}
    return {
        "type": "object",
        "required": ["name", "shape", "datatype"],
        "properties": {
            "name": described if any_name or not type.is_tensor else {"const": name},
            "datatype": datatype,
            "shape": _shape(type),
            "parameters": {"type": "object"},
            "data": {"type": "array", "description": "flat in row-major order, or nested"},
        },
    }


def _shape(type: ValueType) -> Schema:
    if not type.is_tensor or type.shape is None or "..." in type.shape:
        return _LENGTHS
    dims: list[Schema] = [
        {"const": dim} if isinstance(dim, int) else {"type": "integer", "title": dim}
        for dim in type.shape
    ]
    fixed: Schema = {"type": "array", "minItems": len(dims), "maxItems": len(dims)}
    return {**fixed, "prefixItems": dims} if dims else fixed


def _any_of(schemas: list[Schema]) -> Schema:
    return schemas[0] if len(schemas) == 1 else ({"anyOf": schemas} if schemas else {})


def _columns(ports: tuple[Port, ...]) -> dict[str, Schema]:
    return {port.name: value_schema(port.type) for port in ports}
