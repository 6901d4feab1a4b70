"""scikit-learn estimators to ONNX, with skl2onnx."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Any

from umbel.graph.errors import DeclarationError
from umbel.nodes.conversion import onnx_graph
from umbel.nodes.conversion.column_ranges import ColumnRange

METHODS = ("predict", "predict_proba", "decision_function", "transform", "score_samples")


def converted(
    estimator: Any,
    method: str,
    *,
    ranges: Sequence[ColumnRange],
    names: tuple[str, ...] | None,
    texts: Sequence[bool],
    dtype: str,
) -> Any:
    """The ONNX model that answers what ``method`` answers, numbers in ``dtype``.

    ``texts`` says which columns are strings. Raises DeclarationError where skl2onnx has no
    converter for a part of the estimator.
    """
    if method not in METHODS:
        raise DeclarationError(
            f"the method {method!r} has no form in ONNX; there are {', '.join(METHODS)}"
        )
    register_boosters()
    types = _types(ranges, names, texts, dtype)
    try:
        model = _converted(estimator, types, _options(estimator, method))
    except Exception as error:  # skl2onnx raises many kinds, and what its converters raise
        raise DeclarationError(f"skl2onnx cannot convert it: {_first_line(error)}") from error
    onnx_graph.keep_output(model, _output(model, method))
    if names is not None:
        onnx_graph.name_columns(model, names)
    return model


def _options(estimator: Any, method: str) -> dict[int, dict[str, bool]]:
    """For the whole, and for the last part of a pipeline, which does the work."""
    told: dict[str, bool] = {}
    if hasattr(estimator, "classes_"):
        told = {"zipmap": False}
        if method == "decision_function":
            told["raw_scores"] = True
    elif method == "score_samples":
        told = {"score_samples": True}
    if not told:
        return {}
    last = estimator.steps[-1][1] if hasattr(estimator, "steps") else estimator
    return {id(estimator): told, id(last): told}


def _converted(estimator: Any, types: Any, options: dict[int, dict[str, bool]]) -> Any:
    import skl2onnx

    opset = {"": skl2onnx.__max_supported_opset__, "ai.onnx.ml": 3}  # what boosters' parts know
    try:
        return skl2onnx.to_onnx(
            estimator, initial_types=types, options=options or None, target_opset=opset
        )
    except NameError as error:  # of a classifier without probabilities, there is nothing to zip
        if "zipmap" not in str(error):
            raise
        for told in options.values():
            told.pop("zipmap", None)
        left = {key: told for key, told in options.items() if told}
        return skl2onnx.to_onnx(
            estimator, initial_types=types, options=left or None, target_opset=opset
        )


def _types(
    ranges: Sequence[ColumnRange],
    names: tuple[str, ...] | None,
    texts: Sequence[bool],
    dtype: str,
) -> list[tuple[str, Any]]:
    """One tensor for all columns, or one for each where they are of several kinds."""
    from skl2onnx.common import data_types

    number = data_types.DoubleTensorType if dtype == "float64" else data_types.FloatTensorType
    by_column = names is not None and (any(texts) or any(told.categories for told in ranges))
    if not by_column:
        if names is None and any(texts) and not all(texts):
            raise DeclarationError(
                "columns of strings beside columns of numbers need names: fit the model on a "
                "DataFrame"
            )
        kind = data_types.StringTensorType if any(texts) else number
        return [("x", kind([None, len(ranges)]))]
    types = []
    for name, told, text in zip(names or (), ranges, texts, strict=True):
        whole = bool(told.categories) and all(type(value) is int for value in told.categories)
        kind = data_types.StringTensorType if text else number
        types.append((name, data_types.Int64TensorType([None, 1]) if whole else kind([None, 1])))
    return types


def _output(model: Any, method: str) -> str:
    names = onnx_graph.output_names(model)
    wanted = {"predict_proba": 1, "decision_function": 1, "score_samples": -1}.get(method, 0)
    return names[wanted] if len(names) > 1 else names[0]


def register_boosters() -> None:
    """Let pipelines hold XGBoost's and LightGBM's estimators, where those are loaded."""
    import skl2onnx
    from onnxmltools.convert.lightgbm.operator_converters.LightGbm import convert_lightgbm
    from onnxmltools.convert.xgboost.operator_converters.XGBoost import convert_xgboost
    from skl2onnx.common import shape_calculator as shapes

    sorts = {
        "Classifier": shapes.calculate_linear_classifier_output_shapes,
        "Regressor": shapes.calculate_linear_regressor_output_shapes,
    }
    for library, prefix, converter in (
        ("xgboost", "XGB", convert_xgboost),
        ("lightgbm", "LGBM", convert_lightgbm),
    ):
        module: Any = sys.modules.get(library)  # not loaded: no part of this estimator
        for sort, shape in sorts.items() if module is not None else ():
            kind = getattr(module, prefix + sort)
            skl2onnx.update_registered_converter(
                kind,
                prefix + sort,
                shape,
                converter,
                options={"nocl": [True, False], "zipmap": [True, False, "columns"]}
                if sort == "Classifier"
                else None,
            )


def _first_line(error: Exception) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[0] if lines else type(error).__name__
