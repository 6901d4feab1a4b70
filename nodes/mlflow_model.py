"""MLflow models (pyfunc): a folder with an ``MLmodel`` file.

Such a folder names Python code to run and often holds pickles, so that it is always loaded by
permission: its digest, a setting, or the server's flag.
"""

from __future__ import annotations

import importlib
import os
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from umbel.graph.errors import DeclarationError, InvalidInput
from umbel.graph.implementations import ModelFile
from umbel.graph.value_types import DTYPES, Dim, Port, Signature, ValueType
from umbel.nodes.casting import cast
from umbel.nodes.code_in_files import permission
from umbel.nodes.loaded import UnfitInput
from umbel.nodes.model_inputs import in_order, taken
from umbel.nodes.model_location import local_path
from umbel.nodes.model_settings import PERMISSIONS, ModelSettings
from umbel.nodes.named_columns import Columns

os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # it warns of its own type hints
    mlflow = importlib.import_module("mlflow.pyfunc")  # reads the variable set above

_COLUMN_DTYPES = {
    "boolean": "bool", "integer": "int32", "long": "int64", "float": "float32",
    "double": "float64", "string": "str", "binary": "bytes",
}  # fmt: skip
_INPUT_FAULTS = ("BAD_REQUEST", "INVALID_PARAMETER_VALUE")


class MlflowModel:
    """One pyfunc model. Columns are given as rows or by name, tensors by name."""

    def __init__(self, model: Any) -> None:
        self._model = model
        told = model.metadata.signature
        schema = None if told is None else told.inputs
        self._tensors: tuple[Port, ...] = ()
        self._dtypes: dict[str, str] = {}
        self._columns = Columns(None)
        if schema is not None and schema.is_tensor_spec():
            self._tensors = _tensor_ports(schema.inputs, "x")
        elif schema is not None and all(schema.input_names()):
            names = tuple(str(name) for name in schema.input_names())
            self._dtypes = {
                str(column.name): _COLUMN_DTYPES.get(str(column.type).rpartition(".")[2], "")
                for column in schema.inputs
            }
            dtypes = tuple(self._dtypes[name] or None for name in names)
            self._columns = Columns(len(names), names, dtypes=dtypes)
        self.signature: Signature | None = Signature(
            self._tensors or (self._columns.port(),), _outputs(told)
        )

    def predict(self, **values: Any) -> Any:
        """The model's answer as numpy. Raises UnfitInput."""
        given = self._input(values)
        try:
            return _plain(self._model.predict(given))
        except Exception as error:
            if len(given) == 0:  # libraries say it in words of their own
                raise UnfitInput("expected at least one row, got none", "x") from None
            if getattr(error, "error_code", "") in _INPUT_FAULTS:
                port = self._tensors[0].name if self._tensors else "x"
                raise UnfitInput(str(error).splitlines()[0], port) from None
            raise

    def _input(self, values: Mapping[str, Any]) -> Any:
        if self._tensors:
            given = in_order(values, self._tensors)
            arrays = [
                taken(value, port.type, port.name)
                for value, port in zip(given, self._tensors, strict=True)
            ]
            names = [port.name for port in self._tensors]
            return arrays[0] if names == ["x"] else dict(zip(names, arrays, strict=True))
        (x,) = in_order(values, (Port("x"),))
        if self._columns.names is None and isinstance(x, (np.ndarray, list)):
            return taken(x, ValueType("ndarray"))
        table = self._columns.table(x).copy()
        for name, dtype in self._dtypes.items():
            if dtype in ("bool", "int32", "int64", "float32"):
                try:
                    table[name] = cast(table[name].to_numpy(), dtype, f"column {name!r}")
                except InvalidInput as error:
                    raise UnfitInput(str(error), "x") from None
        return table


def open_model(code: ModelFile) -> MlflowModel:
    """The model in the folder ``code.uri``. Raises DeclarationError."""
    settings = ModelSettings(code, PERMISSIONS)
    folder = local_path(code)
    if not (folder / "MLmodel").is_file():
        raise DeclarationError(f"{folder} is no MLflow model: it has no file MLmodel")
    permission(settings).require_folder(folder, "an MLflow model (Python code and pickles)")
    return MlflowModel(_open(folder))


def _open(folder: Path) -> Any:
    try:
        return mlflow.load_model(str(folder), suppress_warnings=True)
    except ModuleNotFoundError as error:
        raise DeclarationError(
            f"{folder} needs the library {error.name!r}, which is not installed; its own list "
            f"is {folder / 'requirements.txt'}"
        ) from error
    except Exception as error:  # the model's own code raises whatever it likes
        raise DeclarationError(
            f"{folder} cannot be loaded: {type(error).__name__}: {error}"
        ) from error


def _tensor_ports(specs: Any, single: str) -> tuple[Port, ...]:
    return tuple(
        Port(
            single if len(specs) == 1 and not spec.name else str(spec.name),
            ValueType(
                "ndarray",
                spec.type.name if spec.type.name in DTYPES else None,
                tuple(_dim(axis, length) for axis, length in enumerate(spec.shape)),
            ),
        )
        for spec in specs
    )


def _dim(axis: int, length: int) -> Dim:
    if length >= 0:
        return length
    return "batch" if axis == 0 else f"n{axis}"


def _outputs(told: Any) -> tuple[Port, ...]:
    schema = None if told is None else told.outputs
    if schema is None or len(schema.inputs) != 1:
        return (Port("output", ValueType("ndarray")),)
    if not schema.is_tensor_spec():
        dtype = _COLUMN_DTYPES.get(str(schema.inputs[0].type).rpartition(".")[2])
        named = bool(schema.inputs[0].name)
        return (Port("output", ValueType("ndarray", None if named else dtype)),)
    return (Port("output", _tensor_ports(schema.inputs, "output")[0].type),)


def _plain(result: Any) -> Any:
    if hasattr(result, "to_dict") and hasattr(result, "columns"):
        return {str(name): result[name].to_numpy() for name in result.columns}
    if hasattr(result, "to_numpy"):
        return result.to_numpy()
    return result if isinstance(result, (np.ndarray, dict)) else np.asarray(result)
