"""ONNX models, run by ONNX Runtime."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
from onnxruntime.capi import onnxruntime_pybind11_state as faults

from umbel.graph.errors import DeclarationError
from umbel.graph.implementations import ModelFile
from umbel.graph.value_types import Dim, Port, Signature, ValueType
from umbel.nodes.code_in_files import permission
from umbel.nodes.descriptions import listing
from umbel.nodes.loaded import UnfitInput
from umbel.nodes.model_inputs import in_order, taken
from umbel.nodes.model_location import model_file
from umbel.nodes.model_settings import PERMISSIONS, ModelSettings
from umbel.nodes.onnx_columns import TableFeed, named_columns
from umbel.nodes.shapes import Bound

SUFFIXES = (".onnx",)
SETTINGS = {
    "outputs": "names of the outputs to answer with (default: all)",
    "device": "cpu, cuda or auto (the default: cuda where ONNX Runtime has it)",
    "threads": "threads of one call, 0 (the default) for all cores",
    "sha256": PERMISSIONS["sha256"],
}

_DTYPES = {
    "float": "float32", "double": "float64", "float16": "float16", "string": "str",
    **{name: name for name in ("bool", "int8", "int16", "int32", "int64")},
    **{name: name for name in ("uint8", "uint16", "uint32", "uint64")},
}  # fmt: skip
_FAULTS_OF_INPUTS = (faults.InvalidArgument,)


class OnnxModel:
    """One session. A single input is called ``x``, several bear the file's own names, and
    several outputs are a dict by the file's names. Where the file tells its columns' names, a
    table of them is the one input ``x``."""

    def __init__(self, session: onnxruntime.InferenceSession, outputs: Sequence[str]) -> None:
        self._session = session
        self._names = [node.name for node in session.get_inputs()]
        self._outputs = list(outputs)
        single = len(self._names) == 1
        self._ports = tuple(
            Port("x" if single else node.name, _value_type(node)) for node in session.get_inputs()
        )
        own = [Port(node.name, _value_type(node)) for node in session.get_inputs()]
        columns = named_columns(session.get_modelmeta().custom_metadata_map, own)
        self._table = None if columns is None else TableFeed(columns, own)
        if self._table is not None:
            self._ports = (self._table.port(),)
        given = {node.name: _value_type(node) for node in session.get_outputs()}
        if len(self._outputs) == 1:
            ports: tuple[Port, ...] = (Port("output", given[self._outputs[0]]),)
        else:
            ports = tuple(Port(name, given[name]) for name in self._outputs)
        self.signature: Signature | None = Signature(self._ports, ports, keyed=len(ports) > 1)

    def predict(self, **values: Any) -> Any:
        """The outputs as numpy. Raises UnfitInput where an input does not fit the model."""
        given = in_order(values, self._ports)
        feed = self._feed(given) if self._table is None else self._table.feed(given[0])
        try:
            results = self._session.run(self._outputs, feed)
        except _FAULTS_OF_INPUTS as error:
            raise UnfitInput(
                f"the model does not take these inputs: {error}", self._ports[0].name
            ) from None
        ready = [_plain(result) for result in results]
        return ready[0] if len(ready) == 1 else dict(zip(self._outputs, ready, strict=True))

    def _feed(self, given: Sequence[Any]) -> dict[str, Any]:
        bound: Bound = {}
        return {
            name: taken(value, port.type, port.name, bound)
            for name, value, port in zip(self._names, given, self._ports, strict=True)
        }


def open_model(code: ModelFile) -> OnnxModel:
    """The model at ``code.uri``: a ``.onnx`` file, or a folder with one.
    Raises DeclarationError."""
    settings = ModelSettings(code, SETTINGS)
    path = model_file(code, SUFFIXES)
    permission(settings).vouched(path)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = settings.number("threads", 0)
    options.log_severity_level = 3
    providers = _providers(settings.text("device", "auto", ("auto", "cpu", "cuda")))
    session = _open(path, options, providers)
    there = [node.name for node in session.get_outputs()]
    asked = settings.texts("outputs") or tuple(there)
    unknown = [name for name in asked if name not in there]
    if unknown:
        raise DeclarationError(f"{path} has no outputs {listing(unknown)}; it has {listing(there)}")
    return OnnxModel(session, asked)


def _open(path: Path, options: Any, providers: list[str]) -> onnxruntime.InferenceSession:
    try:
        return onnxruntime.InferenceSession(str(path), options, providers=providers)
    except Exception as error:  # each of ONNX Runtime's errors derives from Exception only
        raise DeclarationError(
            f"{path} is no complete ONNX model, or has operators that this version of "
            f"onnxruntime ({onnxruntime.__version__}) lacks: {error}"
        ) from error


def _providers(device: str) -> list[str]:
    cpu, cuda = "CPUExecutionProvider", "CUDAExecutionProvider"
    there = onnxruntime.get_available_providers()
    if device == "cuda" and cuda not in there:
        raise DeclarationError(
            f"onnxruntime was installed without CUDA (it has {listing(there)}): "
            'pip install onnxruntime-gpu, or write settings={"device": "cpu"}'
        )
    return [cuda, cpu] if device != "cpu" and cuda in there else [cpu]


def _value_type(node: Any) -> ValueType:
    """``tensor(float)`` with ``['N', 4]`` as a type; sequences and maps become JSON values."""
    kind = str(node.type)
    if not kind.startswith("tensor("):
        return ValueType("json")
    dtype = _DTYPES.get(kind.removeprefix("tensor(").removesuffix(")"))
    dims = tuple(_dim(axis, length) for axis, length in enumerate(node.shape))
    return ValueType("ndarray", dtype, dims)


def _dim(axis: int, length: object) -> Dim:
    """A free first axis is the batch, whatever the exporter called it."""
    if isinstance(length, int):
        return length
    if axis == 0:
        return "batch"
    return str(length) if length else f"n{axis}"


def _plain(result: Any) -> Any:
    return result if isinstance(result, (np.ndarray, list, dict)) else np.asarray(result)
