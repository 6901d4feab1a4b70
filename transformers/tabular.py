"""Rows and columns before a model: choosing columns, and fitted scikit-learn pipelines."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from umbel.graph.definitions import ClassDefinition, NodeDefinition, define_model
from umbel.graph.errors import DeclarationError, InvalidInput
from umbel.graph.options import NodeOptions
from umbel.graph.tracing import caller_place
from umbel.graph.value_types import ANY, Port, Signature
from umbel.nodes.descriptions import describe, listing


def select_columns(
    columns: Sequence[str] | Sequence[int], *, name: str = "", options: NodeOptions | None = None
) -> NodeDefinition:
    """A node that hands on these columns in this order. By name: of a DataFrame, a list of
    objects, or an object of columns, each of which stays what it is. By number: of an array or
    a list of rows, as an array."""
    asked = tuple(columns)
    kinds = {type(column) for column in asked}
    if isinstance(columns, str) or len(kinds) != 1 or not kinds <= {str, int}:
        raise DeclarationError(
            f'{caller_place()}: columns= is names, ["age", "income"], or numbers, [0, 2]; '
            f"got {columns!r}"
        )
    made = ClassDefinition(
        "transformer",
        SelectColumns,
        name=name,
        options=options or NodeOptions(),
        place=caller_place(),
    )
    return made(asked)


def fitted_pipeline(
    uri: str,
    *,
    settings: Mapping[str, object] | None = None,
    name: str = "",
    options: NodeOptions | None = None,
) -> NodeDefinition:
    """A node that calls ``transform`` of a fitted scikit-learn estimator: scaling, encoding, a
    pipeline or a ColumnTransformer. ``uri`` and ``settings`` are those of
    ``predictor("sklearn", …)``; unknown categories and wrong columns are the client's mistakes.
    """
    return define_model(
        "transformer",
        "sklearn",
        uri,
        version="",
        name=name,
        options=options or NodeOptions(),
        signature=Signature((Port("x", ANY),), (Port("output", ANY),)),
        settings={"method": "transform", **dict(settings or {})},
    )


class SelectColumns:
    """The code of ``select_columns``."""

    def __init__(self, columns: Sequence[str] | Sequence[int]) -> None:
        self._columns: list[Any] = list(columns)

    def transform(self, x: Any) -> Any:
        """The chosen columns. Raises InvalidInput where one is not there."""
        if isinstance(self._columns[0], int):
            return self._by_number(x)
        if hasattr(x, "columns"):
            self._require([str(column) for column in x.columns], "the table")
            return x[self._columns]
        if isinstance(x, Mapping):
            self._require(list(x), "the object")
            return {name: x[name] for name in self._columns}
        if isinstance(x, (list, tuple)) and all(isinstance(row, Mapping) for row in x):
            for number, row in enumerate(x):
                self._require(list(row), f"row {number}")
            return [{name: row[name] for name in self._columns} for row in x]
        raise InvalidInput(f"expected rows with names {listing(self._columns)}, got {describe(x)}")

    def _require(self, there: Sequence[Any], what: str) -> None:
        missing = [name for name in self._columns if name not in there]
        if missing:
            raise InvalidInput(
                f"{what}: columns {listing(missing)} are missing; got {listing(list(there))}"
            )

    def _by_number(self, x: Any) -> Any:
        try:
            table = np.asarray(x)
        except ValueError:
            raise InvalidInput("expected rows of one length") from None
        if table.ndim != 2 or max(self._columns) >= table.shape[1]:
            raise InvalidInput(
                f"expected rows of at least {max(self._columns) + 1} values, "
                f"got shape {list(table.shape)}"
            )
        return table[:, self._columns]
