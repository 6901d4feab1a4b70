"""XGBoost and LightGBM boosters with onnxmltools, CatBoost models with their own export."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import onnx

from umbel.graph.errors import DeclarationError
from umbel.nodes.conversion import onnx_graph


def from_xgboost(booster: Any, method: str, count: int, names: tuple[str, ...] | None) -> Any:
    """A booster's trees. ``method`` is ``predict`` (probabilities, numbers) or ``class``."""
    import onnxmltools
    from onnxmltools.convert.common.data_types import FloatTensorType

    _require(method, ("predict", "class"))
    plain = copy.copy(booster)
    plain.feature_names = plain.feature_types = None  # onnxmltools knows f0, f1, … only
    try:
        model = onnxmltools.convert_xgboost(
            plain, initial_types=[("x", FloatTensorType([None, count]))]
        )
    except Exception as error:  # its converters raise whatever they stumble over
        raise DeclarationError(f"onnxmltools cannot convert it: {_line(error)}") from error
    return _finished(model, method, names)


def from_lightgbm(booster: Any, method: str, count: int, names: tuple[str, ...] | None) -> Any:
    """A booster's trees. ``method`` is ``predict`` (probabilities, numbers) or ``class``."""
    import onnxmltools
    from onnxmltools.convert.common.data_types import FloatTensorType

    _require(method, ("predict", "class"))
    try:
        model = onnxmltools.convert_lightgbm(
            booster, initial_types=[("x", FloatTensorType([None, count]))], zipmap=False
        )
    except Exception as error:  # as above
        raise DeclarationError(f"onnxmltools cannot convert it: {_line(error)}") from error
    return _finished(model, method, names)


def from_catboost(model: Any, method: str, into: Path, names: tuple[str, ...] | None) -> Any:
    """A CatBoost model of numbers, written by CatBoost itself. ``method`` is ``predict``
    (classes, numbers) or ``predict_proba``."""
    _require(method, ("predict", "predict_proba"))
    written = into / "catboost.onnx"
    try:
        model.save_model(str(written), format="onnx")
    except Exception as error:  # CatBoostError: categories, texts and some losses have no form
        raise DeclarationError(f"CatBoost cannot write it as ONNX: {_line(error)}") from error
    found = onnx.load(str(written))
    written.unlink()
    return _finished(found, {"predict": "class"}.get(method, "predict"), names)


def _finished(model: Any, method: str, names: tuple[str, ...] | None) -> Any:
    onnx_graph.without_zip_map(model)
    outputs = onnx_graph.output_names(model)
    classifies = len(outputs) > 1
    if method == "class" and not classifies and outputs[0] in ("label",):
        raise DeclarationError("the model has no classes")
    onnx_graph.keep_output(model, outputs[0 if method == "class" or not classifies else 1])
    if names is not None:
        onnx_graph.name_columns(model, names)
    return model


def _require(method: str, known: tuple[str, ...]) -> None:
    if method not in known:
        raise DeclarationError(
            f"the method {method!r} has no form in ONNX; there are {', '.join(known)}"
        )


def _line(error: Exception) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[0] if lines else type(error).__name__
