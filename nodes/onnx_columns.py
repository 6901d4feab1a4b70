"""Names of columns in an ONNX file, so that a converted model of tables takes the same rows.

ONNX has no place for them: they stand in the file's metadata. Where the file has one input for
each column, a table is taken apart into them.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from umbel.graph.value_types import Port, ValueType
from umbel.nodes.model_inputs import taken
from umbel.nodes.named_columns import Columns

METADATA_KEY = "umbel.columns"


def named_columns(metadata: Mapping[str, str], inputs: Sequence[Port]) -> tuple[str, ...] | None:
    """The columns' names, if the file has them and they fit its inputs."""
    try:
        names = json.loads(metadata.get(METADATA_KEY, "null"))
    except ValueError:
        return None
    if not isinstance(names, list) or not names or not all(isinstance(n, str) for n in names):
        return None
    shape = inputs[0].type.shape
    as_one = len(inputs) == 1 and shape is not None and shape[1:] == (len(names),)
    return tuple(names) if as_one or len(inputs) == len(names) else None


class TableFeed:
    """Values for the session's inputs, from rows with or without names."""

    def __init__(self, names: tuple[str, ...], inputs: Sequence[Port]) -> None:
        self._inputs = tuple(inputs)
        self._whole = len(inputs) == 1 and len(names) > 1
        kinds = {port.type.dtype for port in inputs}
        dtype = next(iter(kinds)) if len(kinds) == 1 else None
        self._columns = Columns(len(names), names, None if dtype == "str" else dtype)

    def port(self) -> Port:
        """The one input that stands for all columns."""
        return self._columns.port()

    def feed(self, x: Any) -> dict[str, Any]:
        """The session's inputs by name. Raises UnfitInput."""
        if self._whole:
            only = self._inputs[0]
            return {only.name: taken(self._columns.array(x), only.type, "x")}
        table = self._columns.table(x)
        return {
            port.name: taken(_column(table[name], port), _flat(port.type), name).reshape(-1, 1)
            for name, port in zip(table.columns, self._inputs, strict=True)
        }


def _column(values: Any, port: Port) -> Any:
    if port.type.dtype in ("float32", "float64"):  # null is not a number
        return np.asarray(values.to_numpy(dtype=port.type.dtype, na_value=np.nan))
    return values.to_numpy()


def _flat(type: ValueType) -> ValueType:
    return ValueType("ndarray", type.dtype, ("batch",))
