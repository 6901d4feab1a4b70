"""Which values a fitted model of tables saw in each column, as far as it remembers.

Answers are compared on rows that reach the model's own thresholds and categories: on rows far
away from them every model of trees is a constant, and agreement says nothing.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

_IN_INPUT_UNITS = ("support_vectors_", "_fit_X", "cluster_centers_", "theta_", "means_")
"""Fitted arrays ``[k, columns]`` whose values are those of inputs."""


@dataclass(frozen=True)
class ColumnRange:
    """Numbers from ``low`` to ``high``, or one of ``categories``. ``known`` is false where the
    model tells nothing and the range is a guess."""

    low: float = -3.0
    high: float = 3.0
    categories: tuple[object, ...] = ()
    known: bool = False


Found = dict[int, ColumnRange]


def of_estimator(estimator: Any, count: int, names: Sequence[str] | None) -> list[ColumnRange]:
    """The ranges of a fitted scikit-learn estimator's columns."""
    found: Found = {}
    _visit(estimator, list(range(count)), list(names or ()), found)
    return _listed(found, count)


def of_xgboost(booster: Any, count: int, names: Sequence[str] | None) -> list[ColumnRange]:
    """The ranges of the splits of an XGBoost booster's trees."""
    index = {n: k for k, n in enumerate(names or [f"f{number}" for number in range(count)])}
    found: dict[int, list[float]] = {}
    waiting = [json.loads(tree) for tree in booster.get_dump(dump_format="json")]
    while waiting:
        node = waiting.pop()
        waiting += node.get("children", ())
        if isinstance(node.get("split_condition"), (int, float)):
            found.setdefault(index[str(node["split"])], []).append(float(node["split_condition"]))
    return _listed({number: _around(values) for number, values in found.items()}, count)


def of_lightgbm(booster: Any, count: int, names: Sequence[str] | None) -> list[ColumnRange]:
    """What a LightGBM booster noted of its training data."""
    told = booster.dump_model()["feature_infos"]
    found: Found = {}
    for number, name in enumerate(booster.feature_name()):
        about = told.get(name, {})
        if about.get("values"):
            found[number] = ColumnRange(categories=tuple(about["values"]), known=True)
        elif "min_value" in about:
            found[number] = ColumnRange(
                float(about["min_value"]), float(about["max_value"]), known=True
            )
    return _listed(found, count)


def of_catboost(model: Any, count: int, names: Sequence[str] | None) -> list[ColumnRange]:
    """The borders between which a CatBoost model tells numbers apart."""
    borders = model.get_borders()
    return _listed({int(n): _around(b) for n, b in borders.items() if len(b)}, count)


def _listed(found: Found, count: int) -> list[ColumnRange]:
    return [found.get(number, ColumnRange()) for number in range(count)]


def _around(values: Iterable[float]) -> ColumnRange:
    """A range that goes a little beyond what the values part."""
    array = np.asarray(list(values), dtype=float)
    array = array[np.isfinite(array)]
    if not array.size:
        return ColumnRange()
    low, high = float(array.min()), float(array.max())
    margin = (high - low) * 0.25 or max(abs(low), 1.0) * 0.5
    return ColumnRange(low - margin, high + margin, known=True)


def _visit(part: Any, columns: list[int], names: list[str], found: Found) -> None:
    """Collect what ``part`` knows of the columns it was given."""
    if isinstance(part, str) or part is None:
        return
    if hasattr(part, "steps"):
        for _, step in part.steps:
            _visit(step, columns, names, found)
            if not (isinstance(step, str) or step is None or hasattr(step, "statistics_")):
                return  # what comes next sees other values
        return
    if hasattr(part, "transformers_"):
        for _, inner, chosen in part.transformers_:
            _visit(inner, _chosen(chosen, columns, names), names, found)
        return
    for _, inner in getattr(part, "transformer_list", ()):
        _visit(inner, columns, names, found)
    inner = getattr(part, "best_estimator_", getattr(part, "estimator_", None))
    if inner is not None:
        _visit(inner, columns, names, found)
    for number, told in _own(part, len(columns)).items():
        found.setdefault(columns[number], told)


def _chosen(chosen: Any, columns: list[int], names: list[str]) -> list[int]:
    if isinstance(chosen, (str, int, np.integer)):
        chosen = [chosen]
    if isinstance(chosen, slice):
        if isinstance(chosen.start, str) or isinstance(chosen.stop, str):
            return []
        return columns[chosen]
    listed = np.asarray(chosen)
    if listed.dtype == bool:
        return [columns[number] for number in np.flatnonzero(listed)]
    return [
        columns[names.index(str(one))] if isinstance(one, str) else columns[int(one)]
        for one in listed.tolist()
    ]


def _own(part: Any, count: int) -> Found:
    if hasattr(part, "categories_"):
        return {
            number: ColumnRange(categories=tuple(np.asarray(values).tolist()), known=True)
            for number, values in enumerate(part.categories_)
        }
    if hasattr(part, "data_min_"):
        pairs = zip(part.data_min_, part.data_max_, strict=True)
        return {n: ColumnRange(float(a), float(b), known=True) for n, (a, b) in enumerate(pairs)}
    middle = getattr(part, "mean_", getattr(part, "center_", None))
    if middle is not None and getattr(part, "scale_", None) is not None:
        pairs = zip(middle, part.scale_, strict=True)
        return {
            n: ColumnRange(float(m - 3 * s), float(m + 3 * s), known=True)
            for n, (m, s) in enumerate(pairs)
        }
    for name in _IN_INPUT_UNITS:
        values = getattr(part, name, None)
        if isinstance(values, np.ndarray) and values.ndim == 2 and values.shape[1] == count:
            return {number: _around(values[:, number]) for number in range(count)}
    return _thresholds(part)


def _thresholds(part: Any) -> Found:
    """Where the trees of a tree or a forest split."""
    found: dict[int, list[float]] = {}
    waiting = [part]
    while waiting:
        one = waiting.pop()
        tree = getattr(one, "tree_", None)
        if tree is not None:
            for feature, threshold in zip(tree.feature, tree.threshold, strict=True):
                if feature >= 0:
                    found.setdefault(int(feature), []).append(float(threshold))
            continue
        below = getattr(one, "estimators_", None)
        if below is not None:
            waiting += list(np.asarray(below, dtype=object).ravel())
    return {number: _around(values) for number, values in found.items()}
