"""What a fitted scikit-learn estimator knows of the dtypes of its columns: it keeps their names,
and of some the values."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

_NUMBERS = "float64"
_KINDS = {"i": "int64", "u": "int64", "f": _NUMBERS, "b": "bool", "U": "str", "S": "bytes"}


def column_dtypes(estimator: Any, names: Sequence[str]) -> tuple[str | None, ...]:
    """The dtype of each column; ``None`` for those that no known step takes."""
    found: dict[str, str | None] = {}
    _visit(estimator, list(names), list(names), found)
    return tuple(found.get(name) for name in names)


def _visit(part: Any, columns: list[str], every: list[str], found: dict[str, str | None]) -> None:
    if isinstance(part, str) or part is None:
        dtype = _NUMBERS if part == "passthrough" else None
        found.update({name: dtype for name in columns if name not in found})
    elif hasattr(part, "steps"):
        first = next((step for _, step in part.steps if not _passes(step)), None)
        _visit(first, columns, every, found)
    elif hasattr(part, "transformers_"):
        for _, inner, chosen in part.transformers_:
            _visit(inner, _chosen(chosen, every), every, found)
    elif getattr(part, "transformer_list", None):
        _visit(part.transformer_list[0][1], columns, every, found)
    elif hasattr(part, "best_estimator_") or hasattr(part, "estimator_"):
        inner = getattr(part, "best_estimator_", None) or part.estimator_
        _visit(inner, columns, every, found)
    else:
        dtypes = _own(part, len(columns))
        found.update(zip(columns, dtypes, strict=True))


def _passes(step: Any) -> bool:
    return step is None or isinstance(step, str)


def _chosen(chosen: Any, names: list[str]) -> list[str]:
    """The names that a part of a ColumnTransformer takes: by name, number, mask or slice."""
    if isinstance(chosen, (str, int, np.integer)):
        chosen = [chosen]
    if isinstance(chosen, slice):
        ends = [names.index(end) if isinstance(end, str) else end for end in _ends(chosen)]
        last = None if ends[1] is None else ends[1] + isinstance(chosen.stop, str)
        return names[ends[0] : last]
    listed = list(chosen)
    if listed and all(isinstance(one, (bool, np.bool_)) for one in listed):
        return [name for name, kept in zip(names, listed, strict=True) if kept]
    return [str(one) if isinstance(one, str) else names[int(one)] for one in listed]


def _ends(chosen: slice) -> tuple[Any, Any]:
    return chosen.start, chosen.stop


def _own(part: Any, count: int) -> list[str | None]:
    categories = getattr(part, "categories_", None)
    if isinstance(categories, list) and len(categories) == count:
        return [_kind(np.asarray(values)) for values in categories]
    if hasattr(part, "vocabulary_") or hasattr(part, "stop_words"):
        return ["str"] * count
    statistics = getattr(part, "statistics_", None)
    if isinstance(statistics, np.ndarray):
        return [_kind(statistics)] * count
    ours = type(part).__module__.startswith(("sklearn.", "xgboost.", "lightgbm."))
    plain = ours and getattr(part, "func", None) is None  # a function may take anything
    return [_NUMBERS if plain else None] * count


def _kind(values: Any) -> str | None:
    if values.dtype.kind != "O":
        return _KINDS.get(values.dtype.kind)
    kinds = {type(one) for one in values.reshape(-1).tolist() if one is not None} - {float}
    if kinds <= {str}:
        return "str"
    return "int64" if kinds <= {int} else None
