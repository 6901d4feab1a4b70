"""The inputs on which a model and its conversion are compared: given in a file, or made up from
the model's signature and what it remembers of its columns."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from umbel.graph.errors import DeclarationError, MissingExtra
from umbel.graph.value_types import Port
from umbel.nodes.casting import numpy_dtype
from umbel.nodes.conversion.column_ranges import ColumnRange
from umbel.nodes.descriptions import listing

ROWS = 256
"""How many rows are made up."""

SUFFIXES = (".npy", ".npz", ".json", ".csv")
_SEED = 20


@dataclass(frozen=True)
class Sample:
    """``values`` by input name. ``notes``: what was not covered, in words."""

    values: Mapping[str, Any]
    notes: tuple[str, ...] = ()

    @property
    def rows(self) -> int:
        """The length of the first axis."""
        return min((len(value) for value in self.values.values()), default=0)

    def head(self, rows: int) -> Mapping[str, Any]:
        """The first rows of each input."""
        return {name: value[:rows] for name, value in self.values.items()}


def read(path: Path, ports: Sequence[Port]) -> Sample:
    """The inputs in a file: ``.npy`` (one input), ``.npz`` (by name), ``.csv`` with a header, or
    ``.json`` with rows, a V1 or a V2 body. Raises DeclarationError."""
    if path.suffix not in SUFFIXES:
        raise DeclarationError(f"{path}: a sample is a file {', '.join(SUFFIXES)}")
    try:
        found = _contents(path)
    except (OSError, ValueError, KeyError, TypeError, EOFError) as error:
        raise DeclarationError(f"{path} cannot be read as a sample: {error}") from error
    names = [port.name for port in ports]
    if not isinstance(found, Mapping) or found.keys() != set(names):
        if len(names) == 1 and isinstance(found, Mapping) and len(found) == 1:
            found = next(iter(found.values()))
        if len(names) != 1:
            told = listing(list(found)) if isinstance(found, Mapping) else "one unnamed input"
            raise DeclarationError(f"{path}: the model has the inputs {listing(names)}, not {told}")
        found = {names[0]: found}
    sample = Sample(found)
    if not sample.rows:
        raise DeclarationError(f"{path} holds no rows: nothing could be compared")
    return sample


def _contents(path: Path) -> Any:
    if path.suffix == ".npy":
        return np.load(path, allow_pickle=False)
    if path.suffix == ".npz":
        with np.load(path, allow_pickle=False) as file:
            return dict(file)
    if path.suffix == ".csv":
        try:
            import pandas as pd
        except ModuleNotFoundError:
            raise MissingExtra(str(path), "pandas", "pandas") from None
        return pd.read_csv(path)
    found = json.loads(path.read_text())
    if isinstance(found, list):
        return _array(found)
    if not isinstance(found, dict):
        raise DeclarationError(f"{path}: expected rows, or a V1 or V2 body, in JSON")
    if isinstance(found.get("instances"), list):
        return _array(found["instances"])
    inputs = found.get("inputs")
    if isinstance(inputs, list) and all(isinstance(t, dict) and "data" in t for t in inputs):
        return {str(tensor["name"]): _tensor(tensor) for tensor in inputs}
    return {str(name): _array(value) for name, value in (inputs or found).items()}


def _tensor(tensor: Mapping[str, Any]) -> Any:
    return np.asarray(tensor["data"]).reshape(tensor["shape"])


def _array(rows: list[Any]) -> Any:
    """Rows of objects stay as they are: the model's column names apply to them."""
    if rows and isinstance(rows[0], dict):
        return rows
    mixed = any(
        isinstance(row, list) and len({isinstance(v, str) for v in row}) == 2 for row in rows
    )
    return np.asarray(rows, dtype=object if mixed else None)


def of_columns(
    ranges: Sequence[ColumnRange], names: Sequence[str] | None, missing: bool = False
) -> Sample:
    """Rows within the ranges; ``missing`` leaves a sixteenth of the numbers out (nan)."""
    rng = np.random.default_rng(_SEED)
    columns = [_column(told, rng) for told in ranges]
    if missing:
        columns = [np.where(rng.random(ROWS) < 1 / 16, np.nan, c) for c in columns]
    unknown = sum(not told.known for told in ranges)
    notes: tuple[str, ...] = ()
    if unknown:
        notes += (
            f"the model does not tell the range of {unknown} of {len(ranges)} columns: "
            "compared between -3 and 3; --sample FILE compares on your own rows",
        )
    if not missing:
        notes += ("missing values were not compared",)
    if names is None and len({column.dtype for column in columns}) == 1:
        return Sample({"x": np.column_stack(columns)}, notes)
    try:
        import pandas as pd
    except ModuleNotFoundError:
        raise MissingExtra("a table of samples", "pandas", "pandas") from None
    labels = list(names) if names is not None else range(len(columns))
    table = pd.DataFrame(dict(zip(labels, columns, strict=True)))
    return Sample({"x": table}, notes)


def _column(told: ColumnRange, rng: np.random.Generator) -> Any:
    if told.categories:
        chosen = [told.categories[n] for n in rng.integers(len(told.categories), size=ROWS)]
        return np.asarray(chosen, dtype=object if isinstance(chosen[0], str) else None)
    return rng.uniform(told.low, told.high, ROWS)


def of_ports(ports: Sequence[Port], rows: int = 8) -> Sample:
    """Standard normal numbers, and small whole ones, of the declared shapes; a named axis is
    ``rows`` long. Raises DeclarationError where the model tells too little."""
    rng = np.random.default_rng(_SEED)
    values: dict[str, Any] = {}
    for port in ports:
        shape, dtype = port.type.shape, numpy_dtype(port.type.dtype or "str")
        if shape is None or dtype is None or "..." in shape:
            raise DeclarationError(
                f"the model does not tell the shape and dtype of its input {port.name!r}: "
                "give inputs to compare on, --sample FILE (.npy, .npz, .json)"
            )
        lengths = [dim if isinstance(dim, int) and dim >= 0 else rows for dim in shape]
        if dtype.kind == "f":
            values[port.name] = rng.standard_normal(lengths).astype(dtype)
        else:
            values[port.name] = rng.integers(0, 2, lengths).astype(dtype)
    note = "compared on random inputs; --sample FILE compares on your own"
    return Sample(values, (note,))
