"""Rows for a model of tables: as they come, or by the names of the columns it was fitted with.

Rows are an array ``[batch, n]``, a list of lists, and where the model knows its columns' names
also a DataFrame, a list of objects, or an object of columns. Named columns are put in the
model's order; more columns than it knows are left out, as pandas users expect.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from umbel.graph.value_types import Column, Port, ValueType
from umbel.nodes.descriptions import describe, listing
from umbel.nodes.loaded import UnfitInput
from umbel.nodes.model_inputs import taken
from umbel.nodes.object_rows import single_rows


@dataclass(frozen=True)
class Columns:
    """What a model tells of its columns. ``dtype`` None: as they come, strings too. ``dtypes``:
    of each column, where they differ."""

    count: int | None
    names: tuple[str, ...] | None = None
    dtype: str | None = None
    dtypes: tuple[str | None, ...] = ()
    numbered: bool = False
    """Whether whole numbers may stand in columns of text, as CatBoost has it."""

    @property
    def _rows(self) -> ValueType:
        return ValueType("ndarray", self.dtype, ("batch", self.count) if self.count else None)

    def port(self) -> Port:
        """The one input. With names it takes objects too, so its form is ``any``."""
        if self.names is None:
            return Port("x", self._rows)
        dtypes = self.dtypes or (self.dtype or "float64",) * len(self.names)
        columns = tuple(map(Column, self.names, dtypes))
        shape = self._rows.shape
        return Port("x", ValueType("any", self.dtype or "float64", shape, columns=columns))

    def array(self, x: Any) -> Any:
        """``[batch, n]``; null is not a number where the dtype is a float. Raises UnfitInput."""
        if _is_named(x) or (isinstance(x, list) and self.dtype and _has_null(x)):
            x = self.table(x)
        if hasattr(x, "columns"):
            x = self._numbers(self.table(x))
        return taken(x, self._rows)

    def _numbers(self, table: Any) -> Any:
        try:
            return table.to_numpy(dtype=self.dtype, na_value=np.nan)
        except (ValueError, TypeError) as error:
            raise UnfitInput(f"input 'x': expected {self._rows}, got {error}", "x") from None

    def table(self, x: Any) -> Any:
        """A DataFrame with the columns the model knows, in their order. Raises UnfitInput."""
        if isinstance(x, np.ndarray):
            x = taken(x, self._rows)
        if isinstance(x, list):
            _require_even(x)
            x = single_rows(x)
        if self.names is None and _is_named(x):
            raise UnfitInput(
                f"input 'x': expected {self._rows}, got named columns; "
                "the model was fitted without column names",
                "x",
            )
        table = self._ordered(taken(x, ValueType("dataframe")))
        for position, dtype in enumerate(self.dtypes):
            if dtype == "str":
                self._require_text(table.iloc[:, position])
        return table

    def _require_text(self, column: Any) -> None:
        known = (str, bytes, int) if self.numbered else (str, bytes)
        for value in column.tolist():
            missing = value is None or (isinstance(value, float) and np.isnan(value))
            if not missing and (not isinstance(value, known) or isinstance(value, bool)):
                raise UnfitInput(
                    f"input 'x': expected text in column {str(column.name)!r}, "
                    f"got {describe(value)}",
                    "x",
                )

    def _ordered(self, table: Any) -> Any:
        names = self.names
        sent = [str(column) for column in table.columns]
        if sent == [str(number) for number in range(len(sent))] or names is None:
            known = names or range(len(sent) if self.count is None else self.count)
            if len(sent) != len(known):
                named = f" {listing(names)}" if names else ""
                raise UnfitInput(
                    f"input 'x': expected {len(known)} columns{named}, got {len(sent)}", "x"
                )
            return table.set_axis(list(known), axis=1)
        missing = [name for name in names if name not in sent]
        if missing:
            raise UnfitInput(
                f"input 'x': columns {listing(missing)} are missing; "
                f"expected {listing(names)}, got {listing(sent)}",
                "x",
            )
        return table.set_axis(sent, axis=1)[list(names)]


def _require_even(rows: list[Any]) -> None:
    """pandas would fill up what is missing in a shorter row."""
    first = rows[0] if rows else None
    for number, row in enumerate(rows):
        if isinstance(first, list) and isinstance(row, list) and len(row) != len(first):
            raise UnfitInput(
                f"input 'x': expected rows of equal length, got {len(first)} at [0] but "
                f"{len(row)} at [{number}]",
                "x",
            )


def _is_named(x: Any) -> bool:
    if not isinstance(x, list) or not x:
        return isinstance(x, Mapping)
    first = x[0][0] if isinstance(x[0], list) and x[0] else x[0]
    return isinstance(first, Mapping)


def _has_null(rows: list[Any]) -> bool:
    return any(isinstance(row, list) and None in row for row in rows)
