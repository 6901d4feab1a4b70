"""XGBoost models saved as JSON or UBJSON (``save_model``)."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import xgboost

from umbel.graph.errors import DeclarationError
from umbel.graph.implementations import ModelFile
from umbel.graph.value_types import Port, Signature
from umbel.nodes.code_in_files import permission
from umbel.nodes.model_location import model_file
from umbel.nodes.model_settings import PERMISSIONS, ModelSettings
from umbel.nodes.named_columns import Columns
from umbel.nodes.probed_outputs import probed
from umbel.nodes.xgboost_contents import check_contents

SUFFIXES = (".bst", ".json", ".ubj")
METHODS = ("predict", "margin", "class", "contributions", "leaf")
SETTINGS = {
    "method": f"what is answered: {', '.join(METHODS)}; predict is what the objective gives",
    "threads": "threads of one call, 0 (the default) for all cores",
    "sha256": PERMISSIONS["sha256"],
}


class XGBoostModel:
    """One booster. ``predict(x)`` takes rows ``[batch, n] float32``; nan and null are missing."""

    def __init__(self, booster: xgboost.Booster, method: str) -> None:
        names = booster.feature_names
        self._booster, self._method = booster, method
        self._columns = Columns(
            booster.num_features(), tuple(names) if names else None, dtype="float32"
        )
        self._in_place = _kind(booster) != "gblinear"
        dtype = "int64" if method == "class" else "float32"
        answer = probed(self.predict, self._columns.count, dtype=dtype)
        self.signature: Signature | None = Signature(
            (self._columns.port(),), (Port("output", answer),)
        )

    @property
    def underlying(self) -> Any:
        """The library's own object, for explainers that look inside the model."""
        return self._booster

    def predict(self, x: Any) -> Any:
        """What the method gives, first axis the rows. Raises UnfitInput."""
        rows = self._columns.array(x)
        if self._method in ("contributions", "leaf") or not self._in_place:
            matrix = xgboost.DMatrix(rows, feature_names=self._booster.feature_names)
            return self._booster.predict(
                matrix,
                output_margin=self._method == "margin",
                pred_contribs=self._method == "contributions",
                pred_leaf=self._method == "leaf",
            )
        kind = "margin" if self._method == "margin" else "value"
        result = self._booster.inplace_predict(rows, predict_type=kind, validate_features=False)
        return _classes(result) if self._method == "class" else result


def open_model(code: ModelFile) -> XGBoostModel:
    """The model at ``code.uri``: a ``.bst``, ``.json`` or ``.ubj`` file, or a folder with one.
    Raises DeclarationError."""
    settings = ModelSettings(code, SETTINGS)
    path = model_file(code, SUFFIXES)
    permission(settings).vouched(path)
    booster = _open(path)
    booster.set_param({"nthread": settings.number("threads", 0), "device": "cpu"})
    return XGBoostModel(booster, settings.text("method", "predict", METHODS))


def _open(path: Path) -> xgboost.Booster:
    try:
        check_contents(path)
        return xgboost.Booster(model_file=bytearray(path.read_bytes()))
    except (ValueError, KeyError, TypeError, xgboost.core.XGBoostError) as error:
        raise DeclarationError(
            f"{path} is no complete XGBoost model: {error}; save it with "
            'model.save_model("model.ubj")'
        ) from error


def _kind(booster: xgboost.Booster) -> str:
    return str(json.loads(booster.save_config())["learner"]["gradient_booster"]["name"])


def _classes(result: Any) -> Any:
    """The class a probability stands for: one for each row."""
    if result.ndim == 1:
        return (result > 0.5).astype(np.int64)
    return result.argmax(axis=1).astype(np.int64)
