"""Rows to be enriched, in whatever form they come, as columns: join keys, request-time values,
and what else the rows hold.

Rows may be lists (``[[1001], [1002]]``, values in the order of the fields), objects
(``[{"driver_id": 1001}]``), an object of columns, single values where there is one field, an
array, or a DataFrame.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from umbel.graph.errors import InvalidInput
from umbel.nodes import plain_values
from umbel.nodes.descriptions import describe, listing
from umbel.transformers.feature_source import Field

Columns = dict[str, list[Any]]


def columns_of(x: Any, fields: Sequence[Field]) -> Columns:
    """The rows of ``x`` as columns of equal length, those of ``fields`` first and checked.

    Raises InvalidInput: a field is missing, a value is of the wrong kind, lengths differ.
    """
    raw = _named(x, fields)
    absent = [field.name for field in fields if field.name not in raw]
    if absent:
        raise InvalidInput(
            f"expected rows with {listing([f.name for f in fields])}, "
            f"got {listing(list(raw))}: {listing(absent)} missing"
        )
    lengths = {name: len(column) for name, column in raw.items()}
    if len(set(lengths.values())) > 1:
        raise InvalidInput(f"expected columns of one length, got {lengths}")
    columns = {field.name: _checked(raw.pop(field.name), field) for field in fields}
    return {**columns, **raw}


def _named(x: Any, fields: Sequence[Field]) -> Columns:
    if hasattr(x, "to_dict") and hasattr(x, "columns"):
        return {str(name): list(column) for name, column in x.to_dict("list").items()}
    if isinstance(x, Mapping):
        return {str(name): _column(name, column) for name, column in x.items()}
    if isinstance(x, np.ndarray):
        x = x.tolist()
    if not isinstance(x, (list, tuple)):
        raise InvalidInput(f"expected rows, or an object of columns, got {describe(x)}")
    if x and isinstance(x[0], Mapping):
        return _from_objects(x)
    return _from_lists(x, fields)


def _column(name: object, column: Any) -> list[Any]:
    if isinstance(column, np.ndarray):
        column = column.reshape(-1).tolist() if column.ndim != 1 else column.tolist()
    if not isinstance(column, (list, tuple)):
        raise InvalidInput(f"{name!r}: expected a list with a value for each row, got {column!r}")
    return list(column)


def _from_objects(rows: Sequence[Any]) -> Columns:
    names = list(rows[0])
    for number, row in enumerate(rows):
        if not isinstance(row, Mapping) or set(row) != set(names):
            raise InvalidInput(
                f"row {number}: expected an object with keys {listing(names)} as in row 0, "
                f"got {describe(row)}"
            )
    return {str(name): [row[name] for row in rows] for name in names}


def _from_lists(rows: Sequence[Any], fields: Sequence[Field]) -> Columns:
    names = [field.name for field in fields]
    if len(names) == 1:
        rows = [row if isinstance(row, (list, tuple)) else [row] for row in rows]
    for number, row in enumerate(rows):
        if not isinstance(row, (list, tuple)) or len(row) != len(names):
            raise InvalidInput(
                f"row {number}: expected {len(names)} values {listing(names)}, got {describe(row)}"
            )
    return {name: [row[index] for row in rows] for index, name in enumerate(names)}


def _checked(column: list[Any], field: Field) -> list[Any]:
    convert = _KINDS.get(field.kind)
    if convert is None:
        return column
    return [convert(value, f"row {row}: {field.name!r}") for row, value in enumerate(column)]


def _whole(value: object, what: str) -> int:
    found = plain_values.to_int(value, what)
    if not -(2**63) <= found < 2**63:
        raise InvalidInput(f"{what}: expected a 64-bit integer, got {describe(value)}")
    return found


_KINDS: dict[str, Callable[[object, str], Any]] = {
    "int": _whole,
    "float": plain_values.to_float,
    "str": plain_values.to_str,
    "bool": plain_values.to_bool,
    "bytes": plain_values.to_bytes,
}

KINDS = ("any", *_KINDS)
"""What a field may hold."""


def keys_shown(columns: Columns, names: Sequence[str]) -> list[str]:
    """``driver_id=1001`` for each row: how errors name it."""
    pairs = [[f"{name}={value!r}" for value in columns[name]] for name in names]
    return [", ".join(row) for row in zip(*pairs, strict=True)]
