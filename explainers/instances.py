"""What came to be explained, in the form of the method."""

from __future__ import annotations

from typing import Any

import numpy as np

from umbel.explainers.explanations import Opening
from umbel.graph.errors import InvalidInput
from umbel.graph.value_types import ValueType
from umbel.nodes.descriptions import describe
from umbel.nodes.forms import to_ndarray

_ANY_ARRAY = ValueType("ndarray")


def instances(x: Any, opening: Opening) -> Any:
    """Texts as a list, all else as an array whose first axis are the instances. Nothing at all
    (``[]``, ``None``) stands for the training rows. Raises ``InvalidInput``."""
    if opening.method.form == "texts":
        return _texts(x)
    if x is None or (hasattr(x, "__len__") and len(x) == 0):
        return np.zeros((0,))
    array = to_ndarray(x, _ANY_ARRAY, "instances")
    if array.dtype.kind not in "biufc" and opening.method.form != "rows":
        raise InvalidInput(f"instances: expected numbers, got {array.dtype}")
    if opening.method.form == "rows":
        return _rows(array, opening)
    if opening.method.form == "images":
        return _images(array, opening)
    return array


def _texts(x: Any) -> list[str]:
    if isinstance(x, str):
        return [x]
    found = x.tolist() if isinstance(x, np.ndarray) else x
    if not isinstance(found, (list, tuple)) or not found:
        raise InvalidInput(f"instances: expected a list of texts, got {describe(x)}")
    for index, text in enumerate(found):
        if not isinstance(text, str):
            raise InvalidInput(f"instances[{index}]: expected a text, got {describe(text)}")
        if not text.strip():
            raise InvalidInput(f"instances[{index}]: a text without words cannot be explained")
    return list(found)


def _rows(array: Any, opening: Opening) -> Any:
    rows = array[None] if array.ndim == 1 else array
    if rows.ndim != 2:
        raise InvalidInput(
            f"instances: expected rows [batch, features], got shape {list(array.shape)}"
        )
    train = opening.arrays.get("x")
    names = opening.options.get("feature_names")
    wanted = train.shape[1] if train is not None else len(names) if names else None
    if wanted is not None and rows.shape[1] != wanted:
        raise InvalidInput(
            f"instances: expected rows of {wanted} features, got rows of {rows.shape[1]}"
        )
    return rows


def _images(array: Any, opening: Opening) -> Any:
    wanted = opening.options.get("image_shape")
    images = array[None] if array.ndim == 3 else array
    if images.ndim != 4 or (wanted and list(images.shape[1:]) != [int(n) for n in wanted]):
        shape = list(wanted) if wanted else ["height", "width", "channels"]
        raise InvalidInput(
            f"instances: expected images of shape {shape}, got shape {list(array.shape)}"
        )
    return images
