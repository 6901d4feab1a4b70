"""MLflow folders answer as pyfunc, once someone allowed their code."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.datasets import load_iris
from sklearn.linear_model import LogisticRegression

from umbel.graph.decorators import predictor
from umbel.graph.errors import DeclarationError, InvalidInput
from umbel.graph.implementations import ModelFile
from umbel.nodes.code_in_files import folder_digest
from umbel.nodes.mlflow_model import MlflowModel, open_model

os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")

import mlflow.models
import mlflow.pyfunc
import mlflow.sklearn

IRIS = load_iris(as_frame=True)
ROWS = IRIS.data.to_numpy()
pytestmark = [
    pytest.mark.slow,  # what it imports takes seconds
    pytest.mark.filterwarnings("ignore"),
]


def opened(folder: Path, **settings: object) -> MlflowModel:
    return open_model(ModelFile("mlflow", str(folder), options=settings))


def saved(model: Any, folder: Path, inputs: Any, outputs: Any) -> Path:
    signature = None if inputs is None else mlflow.models.infer_signature(inputs, outputs)
    mlflow.sklearn.save_model(
        model, str(folder), signature=signature, serialization_format="skops",
        pip_requirements=["scikit-learn"],
    )  # fmt: skip
    return folder


@pytest.fixture(scope="module")
def named(tmp_path_factory: pytest.TempPathFactory) -> Path:
    model = LogisticRegression(max_iter=1000).fit(IRIS.data, IRIS.target)
    folder = tmp_path_factory.mktemp("mlflow") / "named"
    return saved(model, folder, IRIS.data, model.predict(IRIS.data))


def test_a_folder_needs_permission(named: Path) -> None:
    digest = folder_digest(named)
    with pytest.raises(DeclarationError, match=f'settings={{"sha256": "{digest}"}}'):
        opened(named)
    with pytest.raises(DeclarationError, match=f"found {digest}"):
        opened(named, sha256="0" * 64)
    for settings in ({"sha256": digest}, {"allow_pickle": True}):
        assert opened(named, **settings).predict(x=ROWS).shape == (150,)


def test_columns_by_name_and_by_place(named: Path) -> None:
    model = opened(named, allow_pickle=True)
    expected = mlflow.pyfunc.load_model(str(named)).predict(IRIS.data)
    turned = IRIS.data[IRIS.data.columns[::-1]]
    for sent in (ROWS, ROWS.tolist(), turned, turned.to_dict("records"), turned.to_dict("list")):
        np.testing.assert_array_equal(model.predict(x=sent), expected)
    assert model.signature is not None
    assert model.signature.inputs[0].type.shape == ("batch", 4)
    for wrong in (ROWS[:, :2], IRIS.data.iloc[:, :2], [["a", 1, 2, 3]]):
        with pytest.raises(InvalidInput):
            model.predict(x=wrong)


def test_no_rows_and_rows_of_different_lengths_are_refused(named: Path) -> None:
    model = opened(named, allow_pickle=True)
    with pytest.raises(InvalidInput, match="at least one row"):
        model.predict(x=ROWS[:0])
    with pytest.raises(InvalidInput, match=r"equal length, got 4 at \[0\] but 1 at \[1\]"):
        model.predict(x=[[1.0, 2.0, 3.0, 4.0], [1.0]])


def test_a_tensor_keeps_its_dtype_and_shape(tmp_path: Path) -> None:
    model = LogisticRegression(max_iter=1000).fit(ROWS, IRIS.target)
    folder = saved(model, tmp_path / "tensor", ROWS.astype(np.float32), model.predict(ROWS))
    runtime = opened(folder, allow_pickle=True)
    assert runtime.signature is not None
    (port,) = runtime.signature.inputs
    assert (port.name, port.type.dtype, port.type.shape) == ("x", "float32", ("batch", 4))
    np.testing.assert_array_equal(runtime.predict(x=ROWS.tolist()), model.predict(ROWS))
    with pytest.raises(InvalidInput, match="expected shape"):
        runtime.predict(x=ROWS[:, :3])


def test_a_model_without_signature_takes_what_comes(tmp_path: Path) -> None:
    model = LogisticRegression(max_iter=1000).fit(ROWS, IRIS.target)
    folder = saved(model, tmp_path / "plain", None, None)
    runtime = opened(folder, allow_pickle=True)
    np.testing.assert_array_equal(runtime.predict(x=ROWS), model.predict(ROWS))


def test_whole_numbers_may_come_as_json_numbers(tmp_path: Path) -> None:
    whole = (IRIS.data * 10).astype(np.int64)
    model = LogisticRegression(max_iter=50, tol=1.0).fit(whole, IRIS.target)
    folder = saved(model, tmp_path / "whole", whole, model.predict(whole))
    runtime = opened(folder, allow_pickle=True)
    rows = whole.to_numpy().astype(float).tolist()
    np.testing.assert_array_equal(runtime.predict(x=rows), model.predict(whole))
    with pytest.raises(InvalidInput, match="whole numbers"):
        runtime.predict(x=[[0.5, 1, 2, 3]])


def test_a_folder_that_is_none_or_broken_is_named(named: Path, tmp_path: Path) -> None:
    with pytest.raises(DeclarationError, match="no file MLmodel"):
        opened(tmp_path)
    (tmp_path / "MLmodel").write_text("flavors: {}")
    with pytest.raises(DeclarationError, match="cannot be loaded"):
        opened(tmp_path, allow_pickle=True)


def test_a_node_of_a_folder(named: Path) -> None:
    node = predictor("mlflow", uri=str(named), settings={"allow_pickle": True})
    assert node(ROWS[:3]).tolist() == [0, 0, 0]
    assert node(IRIS.data[:3].to_dict("records")).tolist() == [0, 0, 0]
