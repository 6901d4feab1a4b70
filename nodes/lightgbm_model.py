"""LightGBM models saved as text (``save_model``)."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import lightgbm
import numpy as np

from umbel.graph.errors import DeclarationError
from umbel.graph.implementations import ModelFile
from umbel.graph.value_types import Port, Signature
from umbel.nodes.code_in_files import permission
from umbel.nodes.lightgbm_contents import checked_text
from umbel.nodes.model_location import model_file
from umbel.nodes.model_settings import PERMISSIONS, ModelSettings
from umbel.nodes.named_columns import Columns
from umbel.nodes.probed_outputs import probed

SUFFIXES = (".bst", ".txt", ".model", ".lgb")
METHODS = ("predict", "raw", "class", "contributions", "leaf")
SETTINGS = {
    "method": f"what is answered: {', '.join(METHODS)}; predict is what the objective gives",
    "threads": "threads of one call, 0 (the default) for all cores",
    "sha256": PERMISSIONS["sha256"],
}


class LightGBMModel:
    """One booster. ``predict(x)`` takes rows ``[batch, n] float64``; nan and null are missing.

    Names are LightGBM's: it writes ``_`` for a blank in a column's name.
    """

    def __init__(self, booster: lightgbm.Booster, method: str, threads: int) -> None:
        names = tuple(booster.feature_name())
        numbered = names == tuple(f"Column_{number}" for number in range(len(names)))
        self._booster, self._method, self._threads = booster, method, threads
        self._columns = Columns(booster.num_feature(), None if numbered else names, "float64")
        dtype = {"class": "int64", "leaf": "int32"}.get(method, "float64")
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
        result = np.asarray(
            self._booster.predict(
                self._columns.array(x),
                raw_score=self._method == "raw",
                pred_leaf=self._method == "leaf",
                pred_contrib=self._method == "contributions",
                num_threads=self._threads,
            )
        )
        if self._method != "class":
            return result
        if result.ndim == 1:
            return (result > 0.5).astype(np.int64)
        return result.argmax(axis=1).astype(np.int64)


def open_model(code: ModelFile) -> LightGBMModel:
    """The model at ``code.uri``: a text file of ``save_model``, or a folder with one.
    Raises DeclarationError."""
    settings = ModelSettings(code, SETTINGS)
    path = model_file(code, SUFFIXES)
    permission(settings).vouched(path)
    lightgbm.register_logger(logging.getLogger("umbel.nodes.lightgbm"))
    return LightGBMModel(
        _open(path), settings.text("method", "predict", METHODS), settings.number("threads", 0)
    )


def _open(path: Path) -> lightgbm.Booster:
    try:
        return lightgbm.Booster(model_str=checked_text(path))
    except (ValueError, KeyError, lightgbm.basic.LightGBMError) as error:
        raise DeclarationError(
            f"{path} is no complete LightGBM model: {error}; save it with "
            'model.booster_.save_model("model.txt")'
        ) from error
