"""What an explainer is fitted to goes to disk and back without any code in it."""

from __future__ import annotations

import json
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from umbel import explainer
from umbel.explainers.fitted_state import load_state, save_state
from umbel.graph.errors import DeclarationError

ROWS = np.arange(12.0).reshape(4, 3)


def test_a_folder_comes_back_as_it_was(tmp_path: Path) -> None:
    labels = np.array(["a", "b", "a", "b"])
    save_state(tmp_path / "x", "alibi-anchor-tabular", {"threshold": 0.9}, {"x": ROWS, "y": labels})
    found = load_state(tmp_path / "x")
    assert (found.method, found.settings) == ("alibi-anchor-tabular", {"threshold": 0.9})
    assert found.arrays["x"].dtype == ROWS.dtype
    np.testing.assert_array_equal(found.arrays["x"], ROWS)
    np.testing.assert_array_equal(found.arrays["y"], labels)


def test_a_declared_explainer_saves_itself(tmp_path: Path) -> None:
    why = explainer("alibi-anchor-tabular", train=ROWS, settings={"feature_names": ["a", "b", "c"]})
    why.save(tmp_path / "why")
    found = load_state(tmp_path / "why")
    assert found.settings == {"feature_names": ["a", "b", "c"]}
    np.testing.assert_array_equal(found.arrays["x"], ROWS)


@pytest.mark.parametrize("suffix", [".npy", ".npz", ".csv"])
@pytest.mark.parametrize("in_a_folder", [False, True])
def test_a_lone_file_is_training_rows(tmp_path: Path, suffix: str, in_a_folder: bool) -> None:
    file = tmp_path / f"rows{suffix}"
    if suffix == ".npy":
        np.save(file, ROWS)
    elif suffix == ".npz":
        np.savez(file, ROWS)
    else:
        np.savetxt(file, ROWS, delimiter=",", header="a,b,c", comments="")
    found = load_state(tmp_path if in_a_folder else file)
    np.testing.assert_array_equal(found.arrays["x"], ROWS)


class Bomb:
    """Would write a file while it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> Any:
        return (Path.touch, (self.path,))


@pytest.mark.parametrize("name", ["rows.npy", "rows.npz"])
def test_pickled_objects_in_arrays_are_never_read(tmp_path: Path, name: str) -> None:
    mark = tmp_path / "exploded"
    objects = np.array([Bomb(mark)], dtype=object)
    file = tmp_path / name
    np.save(file, objects) if name.endswith("npy") else np.savez(file, x=objects)
    with pytest.raises(DeclarationError, match="cannot be read"):
        load_state(file)
    assert not mark.exists()


def test_a_folder_of_alibi_is_refused_unless_it_is_allowed(tmp_path: Path) -> None:
    mark = tmp_path / "exploded"
    folder = tmp_path / "saved"
    folder.mkdir()
    for name in ("meta.dill", "explainer.dill"):
        (folder / name).write_bytes(pickle.dumps(Bomb(mark)))
    from umbel.explainers.opening import _allowed
    from umbel.graph.implementations import LibraryExplainer

    state = load_state(folder)
    assert state.pickled == folder
    code = LibraryExplainer("alibi-anchor-tabular", str(folder))
    with pytest.raises(DeclarationError, match="can run any code") as caught:
        _allowed(code, state)
    digest = str(caught.value).split('"sha256": "')[1].split('"')[0]
    named = LibraryExplainer("alibi-anchor-tabular", str(folder), settings={"sha256": digest})
    assert _allowed(named, state) == folder
    other = LibraryExplainer("alibi-anchor-tabular", str(folder), settings={"sha256": "0" * 64})
    with pytest.raises(DeclarationError, match="not the file that was allowed"):
        _allowed(other, state)
    assert not mark.exists()


@pytest.mark.parametrize(
    "head",
    [
        "not json",
        "[]",
        "{}",
        json.dumps({"format": 2, "method": "alibi-ale", "settings": {}}),
        json.dumps({"format": 1, "method": 3, "settings": {}}),
        json.dumps({"format": 1, "method": "alibi-ale", "settings": []}),
    ],
)
def test_a_broken_head_is_named(tmp_path: Path, head: str) -> None:
    (tmp_path / "explainer.json").write_text(head)
    with pytest.raises(DeclarationError, match=r"explainer\.json"):
        load_state(tmp_path)


def test_arrays_of_objects_and_odd_settings_are_not_written(tmp_path: Path) -> None:
    with pytest.raises(DeclarationError, match="arrays of objects"):
        save_state(tmp_path / "a", "alibi-ale", {}, {"x": np.array([{}], dtype=object)})
    with pytest.raises(DeclarationError, match="settings cannot be saved"):
        save_state(tmp_path / "b", "alibi-ale", {"f": test_a_broken_head_is_named}, {})
    assert list(tmp_path.iterdir()) == []


def test_nothing_there_is_said(tmp_path: Path) -> None:
    with pytest.raises(DeclarationError, match="there is no fitted explainer"):
        load_state(tmp_path / "nowhere")
    with pytest.raises(DeclarationError, match="holds no fitted explainer"):
        load_state(tmp_path)
