"""PMML models, read in Python: trees, forests, boosting, linear models, SVMs, Bayes, neighbours."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any
from xml.etree.ElementTree import ParseError

import numpy as np
from sklearn_pmml_model.auto_detect import auto_detect_estimator

from umbel.graph.errors import DeclarationError
from umbel.graph.implementations import ModelFile
from umbel.graph.value_types import Port, Signature, ValueType
from umbel.nodes.code_in_files import permission
from umbel.nodes.descriptions import describe
from umbel.nodes.loaded import UnfitInput
from umbel.nodes.model_location import model_file
from umbel.nodes.model_settings import PERMISSIONS, ModelSettings
from umbel.nodes.named_columns import Columns
from umbel.nodes.probed_outputs import probed

SUFFIXES = (".pmml", ".xml")
_DTYPES = {
    "string": "str", "integer": "int64", "float": "float32", "double": "float64", "boolean": "bool",
}  # fmt: skip
METHODS = ("predict", "predict_proba")
SETTINGS = {"method": f"what is called: {', '.join(METHODS)}", "sha256": PERMISSIONS["sha256"]}


class PmmlModel:
    """One model. ``predict(x)`` takes the fields of its data dictionary, by name or in order."""

    def __init__(self, estimator: Any, method: str) -> None:
        target = None if estimator.target_field is None else estimator.target_field.get("name")
        fields = {
            str(name): field
            for name, field in estimator.fields.items()
            if name != target and field.tag == "DataField"
        }
        names = tuple(fields)
        self._call = getattr(estimator, method)
        dtypes = tuple(_DTYPES.get(field.get("dataType")) for field in fields.values())
        self._columns = Columns(len(names), names, dtypes=dtypes)
        dtype = "float64" if method == "predict_proba" else None
        answer = ValueType("ndarray", dtype)
        if set(dtypes) <= {"float64", "float32"}:
            answer = probed(self.predict, len(names), dtype=dtype)
        self.signature: Signature | None = Signature(
            (self._columns.port(),), (Port("output", answer),)
        )

    def predict(self, x: Any) -> Any:
        """What the method gives, first axis the rows. Raises UnfitInput."""
        table = self._columns.table(x)
        try:
            with warnings.catch_warnings():
                warnings.filterwarnings("ignore", message="X has feature names")
                return np.asarray(self._call(table))
        except (ValueError, TypeError) as error:
            raise UnfitInput(f"input 'x': {str(error).splitlines()[0]}", "x") from None


def open_model(code: ModelFile) -> PmmlModel:
    """The model at ``code.uri``: a ``.pmml`` file, or a folder with one.
    Raises DeclarationError."""
    settings = ModelSettings(code, SETTINGS)
    method = settings.text("method", "predict", METHODS)
    path = model_file(code, SUFFIXES)
    permission(settings).vouched(path)
    estimator = _open(path)
    if not hasattr(estimator, method):
        raise DeclarationError(f"{path}: {describe(estimator)} has no method {method!r}")
    return PmmlModel(estimator, method)


def _open(path: Path) -> Any:
    content = path.read_bytes()
    if b"<!" in content.replace(b"<!--", b"").replace(b"<![CDATA[", b""):
        raise DeclarationError(
            f"{path} declares a document type or entities, which PMML never needs: not read"
        )
    try:
        return auto_detect_estimator(str(path))
    except (ParseError, AttributeError, KeyError, ValueError, TypeError, IndexError) as error:
        raise DeclarationError(
            f"{path} is no complete PMML file: {type(error).__name__}: {error}"
        ) from error
    except Exception as error:  # the library's word for models it does not know
        raise DeclarationError(f"{path} holds a model that cannot be read: {error}") from error
