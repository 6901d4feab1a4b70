"""XGBoost, LightGBM and CatBoost models answer as the library, and damaged files end in words."""

from __future__ import annotations

import contextlib
import importlib
import os
import random
import subprocess
import sys
from pathlib import Path
from typing import Any

import catboost
import lightgbm
import numpy as np
import pytest
import xgboost
from hypothesis import given
from hypothesis import strategies as st
from sklearn.datasets import load_breast_cancer, load_diabetes, load_iris

from umbel.graph.decorators import predictor
from umbel.graph.errors import DeclarationError, InvalidInput
from umbel.graph.implementations import ModelFile
from umbel.nodes import ubjson

pytestmark = pytest.mark.slow  # what it imports takes seconds

CANCER = load_breast_cancer(as_frame=True)
ROWS = CANCER.data.to_numpy()
IRIS = load_iris()
FILES = {"xgboost": "model.ubj", "lightgbm": "model.txt", "catboost": "model.cbm"}


def opened(model_format: str, path: Path, **options: object) -> Any:
    module = importlib.import_module(f"umbel.nodes.{model_format}_model")
    return module.open_model(ModelFile(model_format, str(path), options={"threads": 1, **options}))


def boosters(x: Any, y: Any, trees: int = 4) -> dict[str, Any]:
    quiet = {"verbose": 0, "allow_writing_files": False, "thread_count": 1}
    return {
        "xgboost": xgboost.XGBClassifier(n_estimators=trees, n_jobs=1).fit(x, y),
        "lightgbm": lightgbm.LGBMClassifier(n_estimators=trees, verbose=-1, n_jobs=1).fit(x, y),
        "catboost": catboost.CatBoostClassifier(iterations=trees, **quiet).fit(x, y),
    }


def save(model_format: str, model: Any, folder: Path, name: str = "") -> Path:
    path = folder / (name or FILES[model_format])
    (model.booster_ if model_format == "lightgbm" else model).save_model(str(path))
    return path


@pytest.fixture(scope="module")
def trained() -> dict[str, Any]:
    return boosters(CANCER.data, CANCER.target)


@pytest.fixture(scope="module")
def folder(trained: dict[str, Any], tmp_path_factory: pytest.TempPathFactory) -> Path:
    home = tmp_path_factory.mktemp("trees")
    for model_format, model in trained.items():
        save(model_format, model, home)
    return home


def test_xgboost_answers_as_the_library(trained: dict[str, Any], folder: Path) -> None:
    own = trained["xgboost"]
    np.testing.assert_array_equal(
        opened("xgboost", folder).predict(x=ROWS), own.predict_proba(CANCER.data)[:, 1]
    )
    for method, expected in {
        "class": own.predict(CANCER.data),
        "margin": own.predict(CANCER.data, output_margin=True),
        "leaf": own.apply(CANCER.data),
    }.items():
        result = opened("xgboost", folder, method=method).predict(x=ROWS)
        np.testing.assert_array_equal(result, expected)
    contributions = opened("xgboost", folder, method="contributions").predict(x=ROWS)
    assert contributions.shape == (569, 31)


@pytest.mark.parametrize("name", ["model.json", "model.bst"])
def test_xgboost_s_other_endings(trained: dict[str, Any], tmp_path: Path, name: str) -> None:
    path = save("xgboost", trained["xgboost"], tmp_path, "model.json")
    path = path.rename(tmp_path / name)
    np.testing.assert_array_equal(
        opened("xgboost", path).predict(x=ROWS),
        trained["xgboost"].predict_proba(CANCER.data)[:, 1],
    )


def test_lightgbm_answers_as_the_library(trained: dict[str, Any], folder: Path) -> None:
    own = trained["lightgbm"]
    for method, expected in {
        "predict": own.predict_proba(CANCER.data)[:, 1],
        "class": own.predict(CANCER.data),
        "raw": own.predict(CANCER.data, raw_score=True),
        "leaf": own.predict(CANCER.data, pred_leaf=True),
    }.items():
        result = opened("lightgbm", folder, method=method).predict(x=ROWS)
        np.testing.assert_allclose(result, expected)


def test_catboost_answers_as_the_library(trained: dict[str, Any], folder: Path) -> None:
    own = trained["catboost"]
    for method, expected in {
        "predict": own.predict(CANCER.data),
        "predict_proba": own.predict_proba(CANCER.data),
        "raw": own.predict(CANCER.data, prediction_type="RawFormulaVal"),
    }.items():
        result = opened("catboost", folder, method=method).predict(x=ROWS)
        np.testing.assert_allclose(result, expected)


@pytest.mark.parametrize("model_format", FILES)
def test_several_classes_and_rows_without_names(model_format: str, tmp_path: Path) -> None:
    own = boosters(IRIS.data, IRIS.target, trees=2)[model_format]
    save(model_format, own, tmp_path)
    method = "predict_proba" if model_format == "catboost" else "predict"
    model = opened(model_format, tmp_path, method=method)
    np.testing.assert_allclose(
        model.predict(x=IRIS.data.tolist()), own.predict_proba(IRIS.data), rtol=1e-6
    )
    classes = opened(
        model_format, tmp_path, method="predict" if model_format == "catboost" else "class"
    )
    np.testing.assert_array_equal(classes.predict(x=IRIS.data), own.predict(IRIS.data).reshape(-1))
    with pytest.raises(InvalidInput, match="named columns"):
        model.predict(x=[{"a": 1}])


@pytest.mark.parametrize("model_format", FILES)
def test_a_regressor(model_format: str, tmp_path: Path) -> None:
    data = load_diabetes()
    own = {
        "xgboost": lambda: xgboost.XGBRegressor(n_estimators=3, n_jobs=1),
        "lightgbm": lambda: lightgbm.LGBMRegressor(n_estimators=3, verbose=-1, n_jobs=1),
        "catboost": lambda: catboost.CatBoostRegressor(
            iterations=3, verbose=0, allow_writing_files=False, thread_count=1
        ),
    }[model_format]().fit(data.data, data.target)
    save(model_format, own, tmp_path)
    result = opened(model_format, tmp_path).predict(x=data.data)
    np.testing.assert_allclose(result, own.predict(data.data), rtol=1e-5)


@pytest.mark.parametrize("model_format", FILES)
def test_columns_by_name_and_by_place(
    model_format: str, trained: dict[str, Any], folder: Path
) -> None:
    model = opened(model_format, folder)
    expected = model.predict(x=ROWS[:4])
    turned = CANCER.data[CANCER.data.columns[::-1]][:4]
    if model_format == "lightgbm":
        turned = turned.rename(columns=lambda name: name.replace(" ", "_"))
    for sent in (turned, turned.to_dict("records"), turned.to_dict("list"), ROWS[:4].tolist()):
        np.testing.assert_array_equal(model.predict(x=sent), expected)
    assert model.signature.inputs[0].type.shape == ("batch", 30)
    with pytest.raises(InvalidInput, match="are missing"):
        model.predict(x=turned.iloc[:, :5])
    for rows in (ROWS[:, :5], ROWS[0], ["text"]):
        with pytest.raises(InvalidInput, match="x"):
            model.predict(x=rows)


@pytest.mark.parametrize("model_format", ["xgboost", "lightgbm"])
def test_null_is_a_missing_value(model_format: str, folder: Path) -> None:
    model = opened(model_format, folder)
    rows = ROWS[:2].copy()
    rows[0, 3] = np.nan
    listed = rows.tolist()
    listed[0][3] = None
    np.testing.assert_array_equal(model.predict(x=listed), model.predict(x=rows))


def test_columns_of_categories(tmp_path: Path) -> None:
    rows = [["Ulm", 1.0], ["Bonn", 2.0], ["Ulm", 3.0], ["Bonn", 4.0]]
    own = catboost.CatBoostClassifier(
        iterations=3, verbose=0, allow_writing_files=False, cat_features=[0]
    ).fit(rows, ["a", "b", "a", "b"])
    save("catboost", own, tmp_path)
    assert opened("catboost", tmp_path).predict(x=rows).tolist() == ["a", "b", "a", "b"]


@pytest.mark.parametrize("model_format", FILES)
@pytest.mark.parametrize("content", [b"", b"garbage", b"{}", b"tree\nversion=v4\n"])
def test_a_broken_file_is_named(model_format: str, content: bytes, tmp_path: Path) -> None:
    path = tmp_path / FILES[model_format]
    path.write_bytes(content)
    with pytest.raises(DeclarationError, match="no complete"):
        opened(model_format, path)


IN_CHILDREN = """
import importlib, os, sys
from pathlib import Path
import numpy as np
from umbel.graph.errors import UmbelError
from umbel.graph.implementations import ModelFile

module = importlib.import_module(f"umbel.nodes.{sys.argv[1]}_model")
for path in sorted(Path(sys.argv[2]).iterdir()):
    child = os.fork()  # before the library has started threads
    if child == 0:
        for stream in (1, 2):
            os.dup2(os.open(os.devnull, os.O_WRONLY), stream)
        code = 2
        try:
            model = module.open_model(ModelFile(sys.argv[1], str(path), options={"threads": 1}))
            model.predict(x=np.ones((3, 30)))
            code = 0
        except UmbelError:
            code = 1
        finally:
            os._exit(code)
    status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    print(path.name, {0: "answered", 1: "refused", 2: "raised"}.get(status, status))
"""
"""Opens and calls each model of a folder in a child of its own, which a crash would end."""


def fates(model_format: str, files: Path) -> dict[str, str]:
    """File name → what came of it; a negative number is the signal that ended the process."""
    ran = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", IN_CHILDREN, model_format, str(files)],
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    return dict(line.split(" ") for line in ran.stdout.splitlines())


@pytest.mark.parametrize("model_format", FILES)
def test_a_damaged_file_ends_no_process(model_format: str, folder: Path, tmp_path: Path) -> None:
    content = (folder / FILES[model_format]).read_bytes()
    if model_format == "lightgbm":  # what follows its trees is not needed
        content = content[: content.index(b"end of trees") + 12]
    chance = random.Random(0)
    suffix = Path(FILES[model_format]).suffix
    for number in range(6):
        short = content[: chance.randrange(len(content))]
        (tmp_path / f"short{number}{suffix}").write_bytes(short)
        changed = bytearray(content)
        changed[chance.randrange(len(content))] = chance.choice([0, 255, *b"0123456789-"])
        if model_format != "catboost":  # it trusts the indices in its file
            (tmp_path / f"changed{number}{suffix}").write_bytes(changed)
    for name, fate in fates(model_format, tmp_path).items():
        assert fate in (("refused",) if "short" in name else ("refused", "answered")), name


@given(st.binary(max_size=200))
def test_any_bytes_are_a_value_or_a_value_error(content: bytes) -> None:
    with contextlib.suppress(ValueError):
        ubjson.decode(content)


@pytest.mark.parametrize("model_format", FILES)
def test_a_node_of_a_saved_model(model_format: str, folder: Path) -> None:
    node = predictor(model_format, uri=str(folder), settings={"threads": 1})
    np.testing.assert_array_equal(node(ROWS[:3]), opened(model_format, folder).predict(x=ROWS[:3]))
    named = CANCER.data[:3]
    if model_format == "lightgbm":
        named = named.rename(columns=lambda name: name.replace(" ", "_"))
    np.testing.assert_array_equal(node(named.to_dict("records")), node(ROWS[:3]))
