"""Rows that are JSON objects, in the shapes that KServe's clients send.

KServe makes a DataFrame of each instance. So an object of equally long columns is several rows,
a column may be an object from an index to values, and an instance may be a list of objects.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from umbel.nodes.descriptions import describe, listing
from umbel.nodes.loaded import UnfitInput


def single_rows(rows: list[Any]) -> list[Any]:
    """One entry for each row: objects of plain values, or what came. Raises UnfitInput where
    some rows are objects and others are not, or an object's columns differ in length."""
    named = [_is_object(row) for row in rows]
    if not any(named):
        return rows
    if not all(named):
        odd = named.index(not named[0])
        raise UnfitInput(
            f"input 'x': expected all rows to be objects, or none, got {describe(rows[0])} at [0]"
            f" and {describe(rows[odd])} at [{odd}]",
            "x",
        )
    return [single for index, row in enumerate(rows) for single in _singles(row, f"[{index}]")]


def _is_object(row: Any) -> bool:
    if isinstance(row, list):
        return bool(row) and all(isinstance(part, Mapping) for part in row)
    return isinstance(row, Mapping)


def _singles(row: Any, where: str) -> Iterator[Any]:
    if isinstance(row, list):
        for index, part in enumerate(row):
            yield from _singles(part, f"{where}[{index}]")
        return
    columns = {name: _values(value) for name, value in row.items()}
    if not columns or any(values is None for values in columns.values()):
        yield {
            name: values[0] if values is not None and len(values) == 1 else row[name]
            for name, values in columns.items()
        }
        return
    lengths = {name: len(values or ()) for name, values in columns.items()}
    if len(set(lengths.values())) > 1:
        raise UnfitInput(
            f"input 'x': expected columns of equal length at {where}, got {_lengths(lengths)}", "x"
        )
    for values in zip(*(values or () for values in columns.values()), strict=True):
        yield dict(zip(columns, values, strict=True))


def _values(column: Any) -> list[Any] | None:
    """A column's values, None if it is one value of a row."""
    if isinstance(column, Mapping):
        return list(column.values())
    return column if isinstance(column, list) else None


def _lengths(lengths: Mapping[str, int]) -> str:
    return listing([f"{name}: {length}" for name, length in lengths.items()])
