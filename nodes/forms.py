"""A value in the form a node asks for: ndarray, torch tensor, DataFrame, dict, text, number.

``convert`` is called for every input of every node on every request. A value that already
has its form is handed on as it is: no copy, no walk over its elements (only ``json`` looks
inside lists and dicts, because it promises that no array hides there).

Values are JSON's (lists, numbers, strings), numpy arrays, torch tensors, DataFrames, or what a
node before gave. torch and pandas are imported only when a value has to become one of theirs.
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from umbel.graph.errors import InvalidInput, MissingExtra
from umbel.graph.value_types import ValueType
from umbel.nodes import plain_values
from umbel.nodes.casting import Array, as_array, cast
from umbel.nodes.descriptions import describe
from umbel.nodes.nested_lists import array_from_list
from umbel.nodes.shapes import Bound, match_shape


def convert(value: object, type: ValueType, what: str, bound: Bound | None = None) -> Any:
    """``value`` in ``type.form``, with dtype and shape checked for tensors.

    ``what`` names the value in errors (``input 'x' of node 'ranker'``). ``bound`` makes named
    dims agree across several inputs: give the same dict for each of them. ``any`` and
    ``message`` are handed on untouched. Raises InvalidInput, saying what was expected and
    what came; MissingExtra if torch or pandas is asked for and not there.
    """
    form = type.form
    if form in ("any", "message"):
        return value
    if form == "ndarray":
        return to_ndarray(value, type, what, bound)
    if form == "torch":
        return _to_torch(value, type, what, bound)
    return _PLAIN[form](value, what)


def to_ndarray(value: object, type: ValueType, what: str, bound: Bound | None = None) -> Array:
    """An array of ``type.dtype`` (None: as it comes, JSON numbers become float64)."""
    if isinstance(value, np.ndarray):
        array = _cast(value, type.dtype, what)
    elif isinstance(value, (list, tuple)):
        array = array_from_list(value, type.dtype, what)
    elif isinstance(value, (bool, int, float, str, bytes)):
        array = array_from_list([value], type.dtype, what).reshape(())
    else:
        found = as_array(value)
        if found is None:
            raise InvalidInput(f"{what}: expected {type}, got {describe(value)}")
        array = _cast(found, type.dtype, what)
    if type.shape is not None:
        match_shape(array.shape, type.shape, what, bound)
    return array


def _cast(array: Array, dtype: str | None, what: str) -> Array:
    if dtype is None:
        return array
    if array.dtype == object and dtype not in ("str", "bytes"):
        return array_from_list(
            array.tolist() if array.ndim else [array.item()], dtype, what
        ).reshape(array.shape)
    return cast(array, dtype, what)


def _to_torch(value: object, type: ValueType, what: str, bound: Bound | None) -> Any:
    loaded = sys.modules.get("torch")
    if loaded is not None and isinstance(value, loaded.Tensor):
        tensor: Any = value
        wanted = getattr(loaded, type.dtype) if type.dtype else tensor.dtype
        if tensor.dtype == wanted:
            match_shape(tuple(tensor.shape), type.shape, what, bound)
            return tensor
        if tensor.dtype.is_floating_point and wanted.is_floating_point:
            match_shape(tuple(tensor.shape), type.shape, what, bound)
            return tensor.to(wanted)
    array = to_ndarray(value, type, what, bound)
    if array.dtype.kind not in "iufb":
        raise InvalidInput(f"{what}: expected {type} (numbers), got {describe(array)}")
    torch = _library("torch", what)
    if not array.flags.writeable or any(stride < 0 for stride in array.strides):
        array = array.copy()
    return torch.from_numpy(array)


def _to_dataframe(value: object, what: str) -> Any:
    pandas = _library("pandas", what)
    if isinstance(value, pandas.DataFrame):
        return value
    found = as_array(value)
    columns: Any = value
    if found is not None:
        columns = found if found.ndim else found.reshape(1)
        if found.dtype == object:
            columns = _decoded(columns)
    elif isinstance(value, Mapping):
        columns = {name: _column(column) for name, column in value.items()}
    elif not isinstance(value, (list, tuple)):
        raise InvalidInput(f"{what}: expected rows or columns, got {describe(value)}")
    try:
        return pandas.DataFrame(columns)
    except (ValueError, TypeError) as error:
        raise InvalidInput(
            f"{what}: expected rows or columns of equal length, got {describe(value)}: {error}"
        ) from None


def _column(column: object) -> object:
    array = as_array(column) if not isinstance(column, (list, tuple)) else None
    if array is None:
        return column if isinstance(column, (list, tuple)) else [column]
    flat = array.reshape(-1) if array.size == max(array.shape, default=1) else array
    return _decoded(flat) if flat.dtype == object else flat


def _decoded(array: Array) -> Array:
    """bytes that are text, as text: what a DataFrame's string column holds."""
    texts = np.empty(array.size, dtype=object)
    for index, item in enumerate(array.reshape(-1).tolist()):
        try:
            texts[index] = item.decode() if isinstance(item, bytes) else item
        except UnicodeDecodeError:
            texts[index] = item
    return texts.reshape(array.shape)


def _library(name: str, what: str) -> Any:
    try:
        return importlib.import_module(name)
    except ImportError:
        raise MissingExtra(what, name, name) from None


_PLAIN: dict[str, Callable[[object, str], Any]] = {
    "dataframe": _to_dataframe,
    "json": plain_values.to_json,
    "dict": plain_values.to_dict,
    "list": plain_values.to_list,
    "str": plain_values.to_str,
    "bytes": plain_values.to_bytes,
    "int": plain_values.to_int,
    "float": plain_values.to_float,
    "bool": plain_values.to_bool,
}
