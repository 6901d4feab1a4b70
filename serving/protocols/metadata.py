"""Health, metadata and listings of V1 and V2, as plain dicts to be written as JSON."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from umbel.graph.value_types import DTYPES, Column, Port, Signature, ValueType

EXTENSIONS = ("model_repository_extension", "binary_tensor_data")
"""KServe's name for loading and unloading, Triton's for binary data."""

PLATFORM = "umbel"

_SCALARS = {"int": "INT64", "float": "FP64", "bool": "BOOL"}


def server_metadata(version: str, extensions: Sequence[str] = EXTENSIONS) -> dict[str, Any]:
    """``GET /v2``."""
    return {"name": "umbel", "version": version, "extensions": list(extensions)}


def server_live(live: bool = True) -> dict[str, Any]:
    """``GET /v2/health/live``."""
    return {"live": live}


def server_ready(ready: bool) -> dict[str, Any]:
    """``GET /v2/health/ready``; the key is KServe's (the protocol's text says ``live``)."""
    return {"ready": ready}


def model_ready(name: str, ready: bool) -> dict[str, Any]:
    """``GET /v2/models/NAME/ready``, and ``GET /v1/models/NAME``."""
    return {"name": name, "ready": ready}


def model_list(names: Iterable[str]) -> dict[str, Any]:
    """``GET /v1/models``, and KServe's ``GET /v2/models``."""
    return {"models": list(names)}


def index_row(name: str, ready: bool, reason: str = "") -> dict[str, Any]:
    """One model of ``POST /v2/repository/index``, as Triton has it. ``reason``: why it is not
    ready."""
    return {"name": name, "state": "READY" if ready else "UNAVAILABLE", "reason": reason}


def model_metadata(name: str, signature: Signature, versions: Sequence[str] = ()) -> dict[str, Any]:
    """``GET /v2/models/NAME``. Lengths that vary are -1."""
    head: dict[str, Any] = {"name": name}
    if versions:
        head["versions"] = list(versions)
    return {
        **head,
        "platform": PLATFORM,
        "inputs": [
            tensor_metadata(*tensor) for port in signature.inputs for tensor in input_tensors(port)
        ],
        "outputs": [
            tensor_metadata(output_name(port, signature), port.type) for port in signature.outputs
        ],
    }


def input_tensors(port: Port) -> list[tuple[str, ValueType]]:
    """The tensors that an input is sent as: a table whose columns have several dtypes as one for
    each column, everything else as one."""
    columns = port.type.columns
    if len({column.dtype for column in columns}) <= 1 and not _texts(columns):
        return [(port.name, port.type)]
    return [
        (column.name, ValueType("ndarray" if column.dtype else "any", column.dtype, ("batch", 1)))
        for column in columns
    ]


def _texts(columns: Sequence[Column]) -> bool:
    return any(column.dtype in (None, "str", "bytes") for column in columns)


def tensor_metadata(name: str, type: ValueType) -> dict[str, Any]:
    """One tensor's name, datatype and shape."""
    return {"name": name, "datatype": port_datatype(type), "shape": port_shape(type)}


def port_datatype(type: ValueType) -> str:
    """The datatype to announce: FP64 for a tensor of any dtype, BYTES for what is no tensor."""
    if type.form in _SCALARS:
        return _SCALARS[type.form]
    if type.dtype is not None and (type.is_tensor or type.form == "any"):
        return DTYPES.get(type.dtype, "BYTES")
    return "FP64" if type.is_tensor else "BYTES"


def port_shape(type: ValueType) -> list[int]:
    """Fixed lengths as they are, named and unknown ones -1; any rank is one -1."""
    if type.form in _SCALARS or type.form in ("str", "bytes", "dict"):
        return [1]
    if type.shape is None:
        return [-1]
    return [dim if isinstance(dim, int) else -1 for dim in type.shape]


def output_name(port: Port, signature: Signature) -> str:
    """The port's name on the wire; the one unnamed output is ``output-0``, as in KServe."""
    return port.name if signature.keyed or port.name != "output" else "output-0"
