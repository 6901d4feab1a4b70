"""What an explainer was fitted to, on disk: numbers and text only, never code.

A folder holds ``explainer.json`` (method and settings), ``train.npz`` (arrays without pickled
objects) and, of methods that train networks, ``weights.npz``. The library's own object is made
anew from them with the same seed when the explainer is opened. A lone ``.npz``, ``.npy`` or
``.csv`` file is training rows. A folder that alibi itself saved holds pickles and is opened only
where that is allowed.
"""

from __future__ import annotations

import json
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from umbel.explainers.batch_predictor import Array
from umbel.graph.errors import DeclarationError

FILE, ROWS, WEIGHTS, FORMAT = "explainer.json", "train.npz", "weights.npz", 1
SAVED_BY_ALIBI = "explainer.dill"


@dataclass(frozen=True)
class FittedState:
    """``arrays`` by name (``x``, ``y``); ``pickled`` is a folder that alibi saved.
    ``weights`` are those of trained networks by name."""

    method: str = ""
    settings: Mapping[str, object] = field(default_factory=dict)
    arrays: Mapping[str, Array] = field(default_factory=dict)
    pickled: Path | None = None
    weights: Mapping[str, Array] = field(default_factory=dict)


def save_state(
    folder: Path,
    method: str,
    settings: Mapping[str, object],
    arrays: Mapping[str, Array],
    weights: Mapping[str, Array] | None = None,
) -> None:
    """Write the folder. Raises ``DeclarationError`` for what is no number, text or list."""
    objects = [name for name, array in arrays.items() if array.dtype == object]
    if objects:
        raise DeclarationError(f"arrays of objects cannot be saved: {', '.join(objects)}")
    head = {"format": FORMAT, "method": method, "settings": dict(settings)}
    try:
        text = json.dumps(head, indent=2)
    except TypeError as error:
        raise DeclarationError(f"the settings cannot be saved: {error}") from error
    folder.mkdir(parents=True, exist_ok=True)
    (folder / FILE).write_text(text + "\n", encoding="utf-8")
    if arrays:
        np.savez(folder / ROWS, **dict(arrays))
    if weights:
        np.savez(folder / WEIGHTS, **dict(weights))


def load_state(path: Path) -> FittedState:
    """The state at ``path``: a folder, or a file of training rows."""
    if path.is_file():
        return FittedState(arrays=_rows(path))
    if not path.is_dir():
        raise DeclarationError(f"there is no fitted explainer and no file of rows at {path}")
    if (path / FILE).is_file():
        head = _head(path / FILE)
        rows, weights = path / ROWS, path / WEIGHTS
        return FittedState(
            head["method"],
            head["settings"],
            _rows(rows) if rows.is_file() else {},
            weights=_arrays(weights) if weights.is_file() else {},
        )
    if (path / SAVED_BY_ALIBI).is_file():
        return FittedState(pickled=path)
    rows_files = sorted(f for f in path.iterdir() if f.suffix in (".npz", ".npy", ".csv"))
    if len(rows_files) == 1:
        return FittedState(arrays=_rows(rows_files[0]))
    raise DeclarationError(
        f"the folder {path} holds no fitted explainer: expected {FILE}, {SAVED_BY_ALIBI}, or one "
        f".npz, .npy or .csv file of training rows"
    )


def _head(path: Path) -> dict[str, Any]:
    try:
        head = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise DeclarationError(f"{path} is no JSON: {error}") from error
    fits = (
        isinstance(head, dict)
        and isinstance(head.get("method"), str)
        and isinstance(head.get("settings"), dict)
    )
    if not fits or head.get("format") != FORMAT:
        raise DeclarationError(
            f'{path}: expected {{"format": {FORMAT}, "method": "...", "settings": {{...}}}}'
        )
    return head  # type: ignore[no-any-return]


def _arrays(path: Path) -> dict[str, Array]:
    try:
        if path.suffix == ".csv":
            return {"x": _table(path)}
        loaded = np.load(path, allow_pickle=False)
        if isinstance(loaded, np.ndarray):
            return {"x": loaded}
        with loaded:
            return {name: loaded[name] for name in loaded.files}
    except (ValueError, OSError, EOFError, zipfile.BadZipFile) as error:
        raise DeclarationError(
            f"{path} cannot be read as rows of numbers (.npz, .npy or .csv): {error}"
        ) from error


def _rows(path: Path) -> dict[str, Array]:
    arrays = _arrays(path)
    if "x" in arrays:
        return arrays
    if len(arrays) == 1:
        return {"x": next(iter(arrays.values()))}
    raise DeclarationError(f"{path} holds {', '.join(arrays)}: call the training rows 'x'")


def _table(path: Path) -> Array:
    """A CSV file of numbers, with or without a line of column names."""
    with path.open(encoding="utf-8") as file:
        first = file.readline().strip().split(",")
    try:
        [float(word) for word in first]
    except ValueError:
        return np.loadtxt(path, delimiter=",", skiprows=1, ndmin=2)
    return np.loadtxt(path, delimiter=",", ndmin=2)
