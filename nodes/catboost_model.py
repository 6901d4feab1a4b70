"""CatBoost models in its own binary form (``.cbm``)."""

from __future__ import annotations

from typing import Any

import catboost
import numpy as np

from umbel.graph.errors import DeclarationError
from umbel.graph.implementations import ModelFile
from umbel.graph.value_types import Port, Signature
from umbel.nodes.code_in_files import permission
from umbel.nodes.loaded import UnfitInput
from umbel.nodes.model_location import model_file
from umbel.nodes.model_settings import PERMISSIONS, ModelSettings
from umbel.nodes.named_columns import Columns
from umbel.nodes.probed_outputs import probed

SUFFIXES = (".cbm",)
METHODS = {"predict_proba": "Probability", "raw": "RawFormulaVal", "predict": ""}
SETTINGS = {
    "method": "what is answered: predict (classes, or numbers), predict_proba, raw",
    "threads": "threads of one call, 0 (the default) for all cores",
    "sha256": PERMISSIONS["sha256"],
}


class CatBoostModel:
    """One model. ``predict(x)`` takes rows ``[batch, n]``; columns of categories are strings
    or whole numbers, and rows that mix them with numbers are lists or a DataFrame."""

    def __init__(
        self, model: catboost.CatBoost, names: tuple[str, ...], method: str, threads: int
    ) -> None:
        numbered = names == tuple(str(number) for number in range(len(names)))
        self._categories = [*model.get_cat_feature_indices(), *model.get_text_feature_indices()]
        dtype = None if self._categories else "float64"
        self._model, self._threads = model, threads or -1
        dtypes = ["str" if n in self._categories else "float64" for n in range(len(names))]
        self._columns = Columns(
            len(names), None if numbered else names, dtype, tuple(dtypes), numbered=True
        )
        classes = len(model.classes_) > 0
        self._kind = METHODS[method] or ("Class" if classes else "RawFormulaVal")
        numbered_classes = classes and all(type(one) is int for one in model.classes_.tolist())
        output = "float64" if self._kind != "Class" else ("int64" if numbered_classes else None)
        value = "0" if self._categories else 0.0
        answer = probed(self.predict, self._columns.count, value, dtype=output)
        self.signature: Signature | None = Signature(
            (self._columns.port(),), (Port("output", answer),)
        )

    @property
    def underlying(self) -> Any:
        """The library's own object, for what looks inside the model."""
        return self._model

    def predict(self, x: Any) -> Any:
        """What the method gives, first axis the rows. Raises UnfitInput."""
        rows = self._columns.table(x) if self._categories else self._columns.array(x)
        try:
            result = np.asarray(
                self._model.predict(rows, prediction_type=self._kind, thread_count=self._threads)
            )
        except (catboost.CatBoostError, TypeError) as error:  # TypeError: null for a category
            raise UnfitInput(f"input 'x': {str(error).splitlines()[0]}", "x") from None
        return result[:, 0] if self._kind == "Class" and result.ndim > 1 else result


def open_model(code: ModelFile) -> CatBoostModel:
    """The model at ``code.uri``: a ``.cbm`` file, or a folder with one.
    Raises DeclarationError."""
    settings = ModelSettings(code, SETTINGS)
    path = model_file(code, SUFFIXES)
    permission(settings).vouched(path)
    model = catboost.CatBoost()
    try:
        model.load_model(str(path), format="cbm")
        names = tuple(model.feature_names_)
    except (catboost.CatBoostError, ValueError) as error:
        raise DeclarationError(
            f"{path} is no complete CatBoost model: {str(error).splitlines()[0]}; save it with "
            'model.save_model("model.cbm")'
        ) from error
    method = settings.text("method", "predict", tuple(METHODS))
    return CatBoostModel(model, names, method, settings.number("threads", 0))
