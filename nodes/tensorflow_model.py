"""TensorFlow models as SavedModel folders.

A SavedModel is a program: it may hold operations that read and write files. One that does is
loaded only when someone allowed it.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")  # read when tensorflow is imported

import numpy as np
import tensorflow as tf
from tensorflow.core.protobuf import saved_model_pb2

from umbel.graph.errors import DeclarationError
from umbel.graph.implementations import ModelFile
from umbel.graph.value_types import DTYPES, Dim, Port, Signature, ValueType
from umbel.nodes.code_in_files import permission
from umbel.nodes.descriptions import listing
from umbel.nodes.loaded import UnfitInput
from umbel.nodes.model_inputs import in_order, taken
from umbel.nodes.model_location import local_path
from umbel.nodes.model_settings import PERMISSIONS, ModelSettings
from umbel.nodes.shapes import Bound

FILE = "saved_model.pb"
SETTINGS = {
    "signature": "which of its signatures is called (default: serving_default)",
    "outputs": "names of the outputs to answer with (default: all)",
    **PERMISSIONS,
}
_REACHES_OUT = frozenset(
    {
        "ReadFile",
        "WriteFile",
        "PrintV2",
        "PyFunc",
        "PyFuncStateless",
        "EagerPyFunc",
        "MatchingFiles",
    }
)
"""Operations that touch more than tensors."""


class TensorflowModel:
    """One signature of a SavedModel. A single input is called ``x``, several bear its own names,
    and several outputs are a dict by its names."""

    def __init__(self, loaded: Any, function: Any, outputs: tuple[str, ...]) -> None:
        self._loaded = loaded  # the function does not keep its variables alive
        self._function = function
        specs = function.structured_input_signature[1]
        self._specs = {name: specs[name] for name in sorted(specs)}
        given = function.structured_outputs
        self._outputs = outputs or tuple(sorted(given))
        self._ports = tuple(
            Port("x" if len(self._specs) == 1 else name, _value_type(spec))
            for name, spec in self._specs.items()
        )
        if len(self._outputs) == 1:
            answers: tuple[Port, ...] = (Port("output", _value_type(given[self._outputs[0]])),)
        else:
            answers = tuple(Port(name, _value_type(given[name])) for name in self._outputs)
        self.signature: Signature | None = Signature(self._ports, answers, keyed=len(answers) > 1)

    def predict(self, **values: Any) -> Any:
        """The outputs as numpy. Raises UnfitInput where an input does not fit the model."""
        bound: Bound = {}
        feed = {
            name: tf.constant(taken(value, port.type, port.name, bound), dtype=spec.dtype)
            for (name, spec), value, port in zip(
                self._specs.items(), in_order(values, self._ports), self._ports, strict=True
            )
        }
        try:
            results = self._function(**feed)
        except (tf.errors.InvalidArgumentError, tf.errors.OutOfRangeError) as error:
            raise UnfitInput(
                f"the model does not take these inputs: {_reason(error)}", self._ports[0].name
            ) from None
        ready = {name: np.asarray(results[name].numpy()) for name in self._outputs}
        return ready[self._outputs[0]] if len(ready) == 1 else ready


def open_model(code: ModelFile) -> TensorflowModel:
    """The SavedModel at ``code.uri``: its folder, or one with numbered versions, of which the
    highest is taken. Raises DeclarationError."""
    settings = ModelSettings(code, SETTINGS)
    folder = _folder(local_path(code))
    outside = _operations(folder / FILE) & _REACHES_OUT
    allowed = permission(settings)
    if outside or allowed.sha256:
        kind = f"a SavedModel that reaches beyond its tensors ({', '.join(sorted(outside))})"
        allowed.require_folder(folder, kind)
    try:
        loaded = tf.saved_model.load(str(folder))
    except Exception as error:  # its loader raises whatever it stumbles over
        raise DeclarationError(
            f"{folder} is no complete SavedModel: {_reason(error)}; save it with "
            "tf.saved_model.save(model, folder)"
        ) from error
    name = settings.text("signature", "serving_default")
    there = sorted(loaded.signatures)
    if name not in there:
        raise DeclarationError(f"{folder} has no signature {name!r}; it has {listing(there)}")
    function = loaded.signatures[name]
    asked = settings.texts("outputs")
    given = sorted(function.structured_outputs)
    unknown = [output for output in asked if output not in given]
    if unknown:
        raise DeclarationError(
            f"{folder} has no outputs {listing(unknown)}; it has {listing(given)}"
        )
    return TensorflowModel(loaded, function, asked)


def _folder(path: Path) -> Path:
    if path.is_file() and path.name == FILE:
        return path.parent
    if (path / FILE).is_file():
        return path
    versions = [p for p in path.iterdir() if p.name.isdecimal()] if path.is_dir() else []
    for version in sorted(versions, key=lambda p: int(p.name), reverse=True):
        if (version / FILE).is_file():
            return version
    raise DeclarationError(
        f"{path} is no SavedModel: there is no {FILE} in it, nor in a numbered folder"
    )


def _operations(file: Path) -> set[str]:
    """The kinds of operations of all its graphs and functions, read without running any."""
    model = saved_model_pb2.SavedModel()
    try:
        model.ParseFromString(file.read_bytes())
    except Exception as error:  # protobuf's DecodeError
        raise DeclarationError(f"{file} is no complete SavedModel: {error}") from error
    found: set[str] = set()
    for graph in (meta.graph_def for meta in model.meta_graphs):
        found |= {node.op for node in graph.node}
        for function in graph.library.function:
            found |= {node.op for node in function.node_def}
    return found


def _value_type(spec: Any) -> ValueType:
    name = "bytes" if spec.dtype == tf.string else str(spec.dtype.name)
    rank = spec.shape.rank
    dims: tuple[Dim, ...] | None = None
    if rank is not None:
        dims = tuple(_dim(axis, length) for axis, length in enumerate(spec.shape.as_list()))
    return ValueType("ndarray", name if name in DTYPES else None, dims)


def _dim(axis: int, length: int | None) -> Dim:
    if length is not None:
        return length
    return "batch" if axis == 0 else f"n{axis}"


def _reason(error: Exception) -> str:
    lines = str(getattr(error, "message", error)).strip().splitlines()
    return lines[0] if lines else type(error).__name__
