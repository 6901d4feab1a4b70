"""scikit-learn models: skops files, and joblib or pickle files where those are allowed."""

from __future__ import annotations

import os
import warnings
import zipfile
from pathlib import Path
from typing import Any

import joblib
import numpy as np

from umbel.graph.errors import DeclarationError, MissingExtra
from umbel.graph.implementations import ModelFile
from umbel.graph.value_types import Dim, Port, Signature, ValueType
from umbel.nodes.code_in_files import Permission, permission
from umbel.nodes.descriptions import describe, listing
from umbel.nodes.loaded import UnfitInput
from umbel.nodes.model_location import model_file
from umbel.nodes.model_settings import PERMISSIONS, ModelSettings
from umbel.nodes.named_columns import Columns
from umbel.nodes.probed_outputs import probed
from umbel.nodes.sklearn_columns import column_dtypes
from umbel.nodes.sklearn_linear import fits, quick_form

SUFFIXES = (".skops", ".joblib", ".pkl", ".pickle")
METHODS = (
    "predict",
    "predict_proba",
    "predict_log_proba",
    "decision_function",
    "transform",
    "score_samples",
)
SETTINGS = {
    "method": f"what is called: {', '.join(METHODS)}",
    "trusted": "a list of types that a .skops file may hold beyond scikit-learn's own",
    **PERMISSIONS,
}

_CLIENTS = (
    "Input X contains",
    "Input contains",
    "could not convert string",
    "Found array with",
    "Found unknown categories",
    "Expected 2D array",
    "X has ",
    "columns are missing",
    "Cannot use median",
    "Specifying the columns",
    "setting an array element with a sequence",
    "float() argument must be",
)
"""What scikit-learn says where the values of X are wrong: the caller's mistakes."""


class SklearnModel:
    """One fitted estimator. ``predict(x)`` calls the chosen method with rows ``[batch, n]``.

    Values may be an array, a list of rows, and for a model that was fitted with column names
    also a DataFrame, a list of objects or an object of columns.
    """

    def __init__(self, estimator: Any, method: str) -> None:
        self.underlying = estimator
        """The fitted estimator, for explainers that look inside the model."""
        self._call = getattr(estimator, method)
        names = getattr(estimator, "feature_names_in_", None)
        listed = None if names is None else tuple(str(name) for name in names)
        self._columns = Columns(
            getattr(estimator, "n_features_in_", None),
            listed,
            dtypes=() if listed is None else column_dtypes(estimator, listed),
        )
        self._quick = None if names is not None else quick_form(estimator, method)
        self._width = self._columns.count or 0
        output = self._output(estimator, method)
        self.signature: Signature | None = Signature(
            (self._columns.port(),), (Port("output", output),)
        )

    def _output(self, estimator: Any, method: str) -> ValueType:
        dtype, shape = _output_dtype(estimator, method), _output_shape(estimator, method)
        if shape is None and set(self._columns.dtypes) <= {"float64"}:
            return probed(self.predict, self._columns.count, dtype=dtype)
        return ValueType("ndarray", dtype, shape)

    def predict(self, x: Any) -> Any:
        """The method's result as numpy, first axis the rows. Raises UnfitInput."""
        rows = self._columns.array(x) if self._columns.names is None else self._columns.table(x)
        if self._quick is not None and fits(rows, self._width):
            return self._quick(rows)
        try:
            with joblib.parallel_config(backend="sequential"):
                return _plain(self._call(rows))
        except (ValueError, TypeError) as error:
            if any(text in str(error) for text in _CLIENTS):
                raise UnfitInput(f"input 'x': {str(error).splitlines()[0]}", "x") from None
            raise


def open_model(code: ModelFile) -> SklearnModel:
    """The model at ``code.uri``: a file, or a folder with ``model.skops``, ``model.joblib``,
    ``model.pkl`` or ``model.pickle``. KServe's variable ``PREDICT_PROBA=true`` is obeyed
    where no method is set. Raises DeclarationError."""
    settings = ModelSettings(code, SETTINGS)
    proba = os.environ.get("PREDICT_PROBA", "").lower() == "true"
    method = settings.text("method", "predict_proba" if proba else "predict", METHODS)
    path = model_file(code, SUFFIXES)
    allowed = permission(settings)
    with warnings.catch_warnings():
        warnings.filterwarnings("always", message="Trying to unpickle estimator")
        if path.suffix == ".skops":
            estimator = _open_skops(path, list(settings.texts("trusted")), allowed)
        else:
            estimator = _open_pickle(path, allowed)
    if not hasattr(estimator, method):
        offered = [name for name in METHODS if hasattr(estimator, name)]
        raise DeclarationError(
            f"{path}: {describe(estimator)} has no method {method!r}; it has {listing(offered)}"
        )
    return SklearnModel(estimator, method)


def _open_skops(path: Path, trusted: list[str], allowed: Permission) -> Any:
    from umbel.nodes.lean_skops import UntrustedTypesFoundException, skops_io  # takes a second

    if allowed.vouched(path):
        trusted = [*trusted, *skops_io.get_untrusted_types(file=path)]
    try:
        return skops_io.load(path, trusted=trusted)
    except UntrustedTypesFoundException as error:
        found = skops_io.get_untrusted_types(file=path)
        every = sorted({*trusted, *found})
        raise DeclarationError(
            f"{path} holds types that skops does not trust: {', '.join(sorted(found))}. "
            f'If you trust the file, write settings={{"trusted": {_quoted(every)}}}. {error}'
        ) from None
    except (zipfile.BadZipFile, KeyError, ValueError, TypeError, AttributeError) as error:
        raise _broken(path, "skops", error) from error


def _open_pickle(path: Path, allowed: Permission) -> Any:
    with allowed.open(path, f"a {path.suffix.lstrip('.')} file (a pickle)") as file:
        try:
            return joblib.load(file)
        except ModuleNotFoundError as error:
            raise MissingExtra(str(path), error.name or "a library", "sklearn") from error
        except Exception as error:  # unpickling raises whatever its code raises
            raise _broken(path, "joblib or pickle", error) from error


def _broken(path: Path, kind: str, error: Exception) -> DeclarationError:
    return DeclarationError(
        f"{path} cannot be read as a {kind} file: {type(error).__name__}: {error}; "
        "is it complete, and saved with this version of scikit-learn?"
    )


def _quoted(names: list[str]) -> str:
    return "[" + ", ".join(f'"{name}"' for name in names) + "]"


def _output_dtype(estimator: Any, method: str) -> str | None:
    if method != "predict":
        return None if method == "transform" else "float64"
    classes = getattr(estimator, "classes_", None)
    if classes is None:
        return None
    kind = getattr(classes, "dtype", np.dtype(object)).kind
    return {"i": "int64", "u": "uint64", "f": "float64", "b": "bool"}.get(kind, "str")


def _output_shape(estimator: Any, method: str) -> tuple[Dim, ...] | None:
    """Of a classifier of one label; what others answer is only known when they do."""
    classes = getattr(estimator, "classes_", None)
    if not isinstance(classes, np.ndarray) or classes.ndim != 1:
        return None
    if method == "predict":
        return ("batch",)
    return ("batch", len(classes)) if method in ("predict_proba", "predict_log_proba") else None


def _plain(result: Any) -> Any:
    if isinstance(result, np.ndarray):
        return result
    if hasattr(result, "toarray"):  # a sparse matrix
        return result.toarray()
    if isinstance(result, list) and result and all(isinstance(part, np.ndarray) for part in result):
        # predict_proba of several outputs: one [batch, classes] each
        if len({part.shape for part in result}) == 1:
            return np.stack(result, axis=1)
        return {f"output_{number}": part for number, part in enumerate(result)}
    return result.to_numpy() if hasattr(result, "to_numpy") else np.asarray(result)
