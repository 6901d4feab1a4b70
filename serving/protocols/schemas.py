"""JSON schemas (2020-12, as OpenAPI 3.1 has them) of ports and of V1 and V2 bodies."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from umbel.graph.value_types import DTYPES, Column, Dim, Port, Signature, ValueType
from umbel.serving.protocols.metadata import input_tensors, output_name, port_datatype

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


READINESS: Schema = {
    "type": "object",
    "required": ["ready"],
    "properties": {"name": {"type": "string"}, "ready": {"type": "boolean"}},
}

EXPLAINED: Schema = {"type": "object", "required": ["explanations"]}

_TENSOR_METADATA: Schema = {
    "type": "object",
    "required": ["name", "datatype", "shape"],
    "properties": {
        "name": {"type": "string"},
        "datatype": {"enum": sorted(set(DTYPES.values()))},
        "shape": {"type": "array", "items": {"type": "integer", "minimum": -1}},
    },
}

MODEL_METADATA: Schema = {
    "type": "object",
    "required": ["name", "platform", "inputs", "outputs"],
    "properties": {
        "name": {"type": "string"},
        "platform": {"type": "string"},
        "versions": {"type": "array", "items": {"type": "string"}},
        "inputs": {"type": "array", "items": _TENSOR_METADATA},
        "outputs": {"type": "array", "items": _TENSOR_METADATA},
    },
}


def value_schema(type: ValueType) -> Schema:
    """A value in V1 JSON: nested arrays with their lengths for tensors."""
    if type.columns:
        return _table_schema(type.columns)
    if type.form in _FORMS:
        return dict(_FORMS[type.form])
    if not type.is_tensor:
        return {}
    if type.shape is None or "..." in type.shape:
        return {"description": str(type)}
    schema = _element_schema(type.dtype)
    for number, dim in reversed(list(enumerate(type.shape))):
        schema = _axis(schema, dim, inner=number < len(type.shape) - 1)
    return {**schema, "description": str(type)}


def _table_schema(columns: Sequence[Column]) -> Schema:
    """Rows as objects or as lists."""
    values = {column.name: _cell_schema(column) for column in columns}
    names = list(values)
    cells = list(values.values())
    row: Schema = {"type": "object", "required": names, "properties": values}
    cell = _any_of([one for number, one in enumerate(cells) if one not in cells[:number]])
    listed: Schema = {
        "type": "array", "items": cell, "minItems": len(cells), "maxItems": len(cells)
    }  # fmt: skip
    rows = [row, listed]
    return {"anyOf": [{"type": "array", "items": one, "minItems": 1} for one in rows]}


def _columns_schema(columns: Sequence[Column]) -> Schema:
    """An object of columns."""
    values = {one.name: {"type": "array", "items": _cell_schema(one)} for one in columns}
    return {"type": "object", "required": list(values), "properties": values}


def _cell_schema(column: Column) -> Schema:
    if column.dtype is None:
        return {}
    schema = _element_schema(column.dtype)
    return {"type": [schema["type"], "null"]} if schema["type"] == "number" else schema


def _element_schema(dtype: str | None) -> Schema:
    if dtype is None or dtype.startswith("float"):
        return {"type": "number"}
    if dtype == "bool":
        return {"type": "boolean"}
    return {"type": "string"} if dtype in ("str", "bytes") else {"type": "integer"}


def _axis(items: Schema, dim: Dim, *, inner: bool) -> Schema:
    """``inner``: there are axes within; an empty list would hide how many."""
    if isinstance(dim, int) and dim >= 0:
        return {"type": "array", "items": items, "minItems": dim, "maxItems": dim}
    return {"type": "array", "items": items, **({"minItems": 1} if inner else {})}


def v1_request(signature: Signature) -> Schema:
    """``instances`` or ``inputs``."""
    columns = _columns(signature.inputs)
    required = [port.name for port in signature.inputs if port.required]
    by_name: Schema = {"type": "object", "properties": columns, "required": required}
    inputs = [by_name]
    if len(signature.inputs) == 1:
        only = signature.inputs[0].type
        instances = value_schema(only)
        if only.form in _SINGLE:
            instances = {"type": "array", "items": instances, "minItems": 1, "maxItems": 1}
        elif "type" not in instances and "anyOf" not in instances:
            instances = {**instances, "type": "array"}
        if only.columns:
            inputs = [_columns_schema(only.columns)]
    else:
        instances = {"type": "array", "items": {"type": "object", "required": required}}
    inputs.append(instances)
    return {
        "type": "object",
        "oneOf": [
            {"required": ["instances"], "properties": {"instances": instances}},
            {"required": ["inputs"], "properties": {"inputs": {"anyOf": inputs}}},
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


def generated_value(type: ValueType) -> Schema:
    """A value in Triton's generate: one number or text stands for a tensor of one."""
    schema = value_schema(type)
    if not type.is_tensor or (type.shape is not None and len(type.shape) != 1):
        return schema
    return {"anyOf": [_element_schema(type.dtype), schema]}


def v2_request(signature: Signature) -> Schema:
    """An inference request with the graph's own tensors."""
    only = len(signature.inputs) == 1
    tensors = [
        _tensor(name, tensor, any_name=only and not port.type.columns)
        for port in signature.inputs
        for name, tensor in input_tensors(port)
    ]
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
            "inputs": {
                "type": "array",
                "items": _any_of(tensors),
                "minItems": len([port for port in signature.inputs if port.required]),
            },
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
    length = len(type.shape)
    written = ", ".join(map(str, type.shape))
    return {**_LENGTHS, "minItems": length, "maxItems": length, "description": f"[{written}]"}


def _any_of(schemas: list[Schema]) -> Schema:
    return schemas[0] if len(schemas) == 1 else ({"anyOf": schemas} if schemas else {})


def _columns(ports: tuple[Port, ...]) -> dict[str, Schema]:
    return {port.name: value_schema(port.type) for port in ports}
