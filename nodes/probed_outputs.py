"""What a model answers, found out by asking it: shape and dtype stand in few formats' files."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np

from umbel.graph.value_types import ValueType

log = logging.getLogger("umbel.nodes")

_ROWS = 2


def probed(
    predict: Callable[..., Any], columns: int | None, value: object = 0.0, *, dtype: str | None
) -> ValueType:
    """The type of ``predict(x)``, asked with rows full of ``value``. ``dtype`` is what is known
    without asking; a model that fails has no more than that to tell."""
    unknown = ValueType("ndarray", dtype)
    if not columns:
        return unknown
    kind = np.float64 if isinstance(value, float) else object
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            result = predict(x=np.full((_ROWS, columns), value, kind))
    except Exception as error:  # a model's own code raises whatever it likes
        log.debug("what a model answers is not known: %s", error)
        return unknown
    if not isinstance(result, np.ndarray) or result.shape[:1] != (_ROWS,):
        return unknown
    return ValueType("ndarray", dtype or _dtype(result), ("batch", *result.shape[1:]))


def _dtype(result: Any) -> str | None:
    """Of what is sure: whole numbers for these rows may be fractions for others."""
    if result.dtype.kind == "f":
        return str(result.dtype.name)
    texts = all(isinstance(one, str) for one in result.reshape(-1).tolist())
    return "str" if texts and result.size else None
