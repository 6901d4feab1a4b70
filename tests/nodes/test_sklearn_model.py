"""scikit-learn models answer as the estimator itself, and no pickle runs unless allowed."""

from __future__ import annotations

import hashlib
import pickle
import subprocess
import sys
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import pytest
from sklearn.compose import make_column_transformer
from sklearn.datasets import load_breast_cancer, load_diabetes, load_digits, load_iris
from sklearn.ensemble import RandomForestClassifier
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.multioutput import MultiOutputClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler
from sklearn.tree import DecisionTreeClassifier

from umbel.graph.decorators import predictor
from umbel.graph.errors import DeclarationError, InvalidInput
from umbel.graph.implementations import ModelFile
from umbel.nodes.lean_skops import skops_io
from umbel.nodes.sklearn_model import SklearnModel, open_model

IRIS = load_iris(as_frame=True)


def opened(path: Path, **settings: object) -> SklearnModel:
    return open_model(ModelFile("sklearn", str(path), options=settings))


@pytest.fixture(scope="module")
def classifier() -> Any:
    return make_pipeline(StandardScaler(), LogisticRegression()).fit(
        IRIS.data.to_numpy(), IRIS.target
    )


@pytest.fixture(scope="module")
def named() -> Any:
    return LogisticRegression(max_iter=1000).fit(IRIS.data, IRIS.target)


@pytest.fixture()
def skops_file(classifier: Any, tmp_path: Path) -> Path:
    skops_io.dump(classifier, tmp_path / "model.skops")
    return tmp_path / "model.skops"


@pytest.fixture()
def joblib_file(classifier: Any, tmp_path: Path) -> Path:
    joblib.dump(classifier, tmp_path / "model.joblib")
    return tmp_path / "model.joblib"


@pytest.mark.parametrize(
    "method", ["predict", "predict_proba", "predict_log_proba", "decision_function"]
)
def test_each_method_answers_as_the_estimator(
    classifier: Any, skops_file: Path, method: str
) -> None:
    rows = IRIS.data.to_numpy()
    expected = getattr(classifier, method)(rows)
    np.testing.assert_array_equal(opened(skops_file, method=method).predict(x=rows), expected)
    np.testing.assert_array_equal(
        opened(skops_file.parent, method=method).predict(x=rows.tolist()), expected
    )


def test_a_transformer_s_sparse_result_is_an_array(tmp_path: Path) -> None:
    encoder = OneHotEncoder().fit([["a"], ["b"]])
    skops_io.dump(encoder, tmp_path / "e.skops")
    result = opened(tmp_path, method="transform").predict(x=[["b"]])
    assert result.tolist() == [[0.0, 1.0]]


def test_a_regressor_and_many_classes(tmp_path: Path) -> None:
    for name, data, estimator in (
        ("diabetes", load_diabetes(), LinearRegression()),
        ("digits", load_digits(), LogisticRegression(max_iter=20, tol=0.1)),
        ("cancer", load_breast_cancer(), StandardScaler()),
    ):
        estimator.fit(data.data, data.target)
        skops_io.dump(estimator, tmp_path / f"{name}.skops")
        method = "transform" if name == "cancer" else "predict"
        model = opened(tmp_path / f"{name}.skops", method=method)
        expected = getattr(estimator, method)(data.data[:20])
        np.testing.assert_array_equal(model.predict(x=data.data[:20]), expected)


def test_kserve_s_variable_asks_for_probabilities(
    classifier: Any, skops_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PREDICT_PROBA", "true")
    rows = IRIS.data.to_numpy()[:3]
    np.testing.assert_array_equal(
        opened(skops_file).predict(x=rows), classifier.predict_proba(rows)
    )
    np.testing.assert_array_equal(
        opened(skops_file, method="predict").predict(x=rows), classifier.predict(rows)
    )


def test_the_file_tells_the_columns(skops_file: Path) -> None:
    signature = opened(skops_file).signature
    assert signature is not None
    assert signature.inputs[0].type.shape == ("batch", 4)
    assert signature.outputs[0].type.dtype == "int64"


@pytest.mark.parametrize(
    "rows", [[[1.0, 2.0]], [1.0, 2.0, 3.0, 4.0], [], [["a", 1, 2, 3]], [[np.nan, 1, 2, 3]], "abc"]
)
def test_rows_that_do_not_fit_are_the_client_s_mistake(skops_file: Path, rows: object) -> None:
    with pytest.raises(InvalidInput, match="x"):
        opened(skops_file).predict(x=rows)


def test_named_columns_come_in_any_order_and_form(named: Any, tmp_path: Path) -> None:
    skops_io.dump(named, tmp_path / "model.skops")
    model = opened(tmp_path)
    rows = IRIS.data[:5]
    turned = rows[rows.columns[::-1]]
    expected = named.predict(rows).tolist()
    for sent in (
        rows,
        turned,
        turned.to_dict("records"),
        turned.to_dict("list"),
        {name: column.to_numpy() for name, column in turned.items()},
        [{name: [value] for name, value in row.items()} for row in turned.to_dict("records")],
        [turned[:3].to_dict("list"), turned[3:].to_dict("list")],
        [turned[:2].to_dict(), turned[2:].to_dict("records")],
        rows.to_numpy(),
        rows.to_numpy().tolist(),
    ):
        assert model.predict(x=sent).tolist() == expected
    assert list(turned.columns) == list(IRIS.data.columns[::-1])
    with pytest.raises(InvalidInput, match=r"columns \['petal width \(cm\)'\] are missing"):
        model.predict(x=rows.drop(columns="petal width (cm)"))


@pytest.mark.parametrize(
    "spoil",
    [
        lambda row: [row, 5],
        lambda row: [row, list(row.values())],
        lambda row: [list(row.values()), row],
        lambda row: [
            {name: [value] * (number + 1) for number, (name, value) in enumerate(row.items())}
        ],
        lambda row: [row | {"sepal length (cm)": [1.0, 2.0]}],
        lambda row: [row | {"sepal length (cm)": {}}],
        lambda row: [[{}, *list(row.values())[1:]]],
        lambda row: [[[1.0, 2.0], *list(row.values())[1:]]],
        lambda row: [{}],
        lambda row: [row | {"sepal length (cm)": "long"}],
    ],
)
def test_named_rows_that_do_not_fit_are_the_client_s_mistake(
    named: Any, tmp_path: Path, spoil: Any
) -> None:
    skops_io.dump(named, tmp_path / "model.skops")
    with pytest.raises(InvalidInput, match="x"):
        opened(tmp_path).predict(x=spoil(IRIS.data[:1].to_dict("records")[0]))


def test_names_of_text_and_number_columns(tmp_path: Path) -> None:
    import pandas as pd

    table = pd.DataFrame({"town": ["Ulm", "Bonn", "Ulm", "Bonn"], "age": [1.0, 2.0, 3.0, 4.0]})
    pipeline = make_pipeline(
        make_column_transformer((OneHotEncoder(), ["town"]), remainder="passthrough"),
        DecisionTreeClassifier(random_state=0),
    ).fit(table, [0, 1, 0, 1])
    skops_io.dump(pipeline, tmp_path / "model.skops")
    trusted = skops_io.get_untrusted_types(file=tmp_path / "model.skops")
    model = opened(tmp_path, trusted=trusted)
    assert model.predict(x=[{"age": 2.5, "town": "Bonn"}, {"age": 1, "town": "Ulm"}]).tolist() == [
        1,
        0,
    ]
    assert model.predict(x=[["Bonn", 2.0]]).tolist() == [1]
    with pytest.raises(InvalidInput, match="unknown categories"):
        model.predict(x=[["Rome", 2.0]])


def test_text_goes_in_as_a_list_of_strings(tmp_path: Path) -> None:
    texts = ["rain and wind", "sun and sand", "wind", "sun"]
    pipeline = make_pipeline(TfidfVectorizer(), LogisticRegression()).fit(
        texts, ["bad", "good", "bad", "good"]
    )
    skops_io.dump(pipeline, tmp_path / "model.skops")
    assert opened(tmp_path).predict(x=["sun", "rain"]).tolist() == ["good", "bad"]


def test_probabilities_of_several_outputs_keep_the_rows_first(tmp_path: Path) -> None:
    targets = np.column_stack([IRIS.target > 0, IRIS.target > 1])
    many = MultiOutputClassifier(LogisticRegression(max_iter=500)).fit(
        IRIS.data.to_numpy(), targets
    )
    skops_io.dump(many, tmp_path / "model.skops")
    result = opened(tmp_path, method="predict_proba").predict(x=IRIS.data.to_numpy()[:7])
    assert result.shape == (7, 2, 2)


def test_no_process_is_started_for_a_prediction(tmp_path: Path) -> None:
    forest = RandomForestClassifier(5, n_jobs=2, random_state=0).fit(
        IRIS.data.to_numpy(), IRIS.target
    )
    joblib.dump(forest, tmp_path / "model.joblib")
    model = opened(tmp_path, allow_pickle=True)
    rows = IRIS.data.to_numpy()
    np.testing.assert_array_equal(model.predict(x=rows), forest.predict(rows))


def test_types_that_skops_does_not_trust_are_named_with_what_to_type(tmp_path: Path) -> None:
    forest = RandomForestClassifier(3).fit(IRIS.data.to_numpy(), IRIS.target)
    skops_io.dump(forest, tmp_path / "model.skops")
    with pytest.raises(DeclarationError, match=r'"trusted": \["sklearn.tree._tree.Tree"\]'):
        opened(tmp_path)
    assert opened(tmp_path, trusted=["sklearn.tree._tree.Tree"]).predict(
        x=IRIS.data.to_numpy()
    ).shape == (150,)
    digest = hashlib.sha256((tmp_path / "model.skops").read_bytes()).hexdigest()
    assert opened(tmp_path, sha256=digest).predict(x=IRIS.data.to_numpy()).shape == (150,)


def test_a_pickle_is_refused_with_what_to_type(joblib_file: Path) -> None:
    digest = hashlib.sha256(joblib_file.read_bytes()).hexdigest()
    with pytest.raises(DeclarationError, match="allow_pickle") as caught:
        opened(joblib_file)
    assert f'settings={{"sha256": "{digest}"}}' in str(caught.value)
    assert "UMBEL_ALLOW_PICKLE=1" in str(caught.value)
    rows = IRIS.data.to_numpy()
    for settings in ({"sha256": digest}, {"sha256": digest.upper()}, {"allow_pickle": True}):
        assert opened(joblib_file, **settings).predict(x=rows).shape == (150,)
    with pytest.raises(DeclarationError, match=f"found {digest}"):
        opened(joblib_file, sha256="0" * 64, allow_pickle=True)


def test_the_operator_may_allow_pickles(joblib_file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("UMBEL_ALLOW_PICKLE", "1")
    assert opened(joblib_file).predict(x=IRIS.data.to_numpy()).shape == (150,)


class Hostile:
    def __init__(self, target: Path) -> None:
        self.target = target

    def __reduce__(self) -> Any:
        return (Path.write_text, (self.target, "it ran"))


@pytest.mark.parametrize("suffix", [".pkl", ".pickle", ".joblib"])
def test_a_hostile_pickle_does_not_run(tmp_path: Path, suffix: str) -> None:
    trace = tmp_path / "trace"
    path = tmp_path / f"model{suffix}"
    path.write_bytes(pickle.dumps(Hostile(trace)))
    with pytest.raises(DeclarationError, match="can run any code"):
        opened(path)
    with pytest.raises(DeclarationError, match="is not the file"):
        opened(path, sha256="0" * 64)
    assert not trace.exists()


@pytest.mark.parametrize("suffix", [".skops", ".joblib"])
@pytest.mark.parametrize("content", [b"", b"garbage", b"PK\x03\x04 no zip"])
def test_a_broken_file_is_named(tmp_path: Path, suffix: str, content: bytes) -> None:
    path = tmp_path / f"model{suffix}"
    path.write_bytes(content)
    with pytest.raises(DeclarationError, match="model.*cannot be read"):
        opened(path, allow_pickle=True)


def test_half_a_file_is_named(skops_file: Path) -> None:
    skops_file.write_bytes(skops_file.read_bytes()[:-100])
    with pytest.raises(DeclarationError, match="complete"):
        opened(skops_file)


def test_which_file_of_a_folder_is_meant(skops_file: Path, tmp_path: Path) -> None:
    (tmp_path / "other.pkl").write_bytes(b"")
    opened(tmp_path)
    skops_file.rename(tmp_path / "first.skops")
    with pytest.raises(DeclarationError, match=r"2 'sklearn' models: \['first.skops', 'other.pkl'"):
        opened(tmp_path)
    with pytest.raises(DeclarationError, match="there is no model"):
        opened(tmp_path / "nowhere")
    (tmp_path / "model.h5").write_bytes(b"")
    with pytest.raises(DeclarationError, match="ends in .skops or .joblib"):
        opened(tmp_path / "model.h5")


def test_settings_are_checked(skops_file: Path) -> None:
    with pytest.raises(DeclarationError, match="no setting 'methd'; it has 'method'"):
        opened(skops_file, methd="predict")
    with pytest.raises(DeclarationError, match="'method' is one of 'predict', "):
        opened(skops_file, method="fit")
    with pytest.raises(DeclarationError, match="no method 'transform'"):
        opened(skops_file, method="transform")
    with pytest.raises(DeclarationError, match="64 hexadecimal digits"):
        opened(skops_file, sha256="abc")


def test_a_node_of_a_saved_model_is_called_like_a_function(
    classifier: Any, skops_file: Path
) -> None:
    node = predictor("sklearn", uri=str(skops_file), settings={"method": "predict_proba"})
    rows = IRIS.data.to_numpy()[:4]
    np.testing.assert_array_equal(node(rows.tolist()), classifier.predict_proba(rows))


def test_the_signature_tells_the_classes(classifier: Any, skops_file: Path) -> None:
    for method, dtype, shape in (
        ("predict", "int64", ("batch",)),
        ("predict_proba", "float64", ("batch", 3)),
        ("decision_function", "float64", ("batch", 3)),
    ):
        signature = opened(skops_file, method=method).signature
        assert signature is not None
        assert (signature.outputs[0].type.dtype, signature.outputs[0].type.shape) == (dtype, shape)


@pytest.mark.slow
def test_a_model_brings_no_library_that_it_does_not_use(tmp_path: Path) -> None:
    """PyTorch would double a replica's memory."""
    x, y = load_iris(return_X_y=True)
    skops_io.dump(LogisticRegression(max_iter=200).fit(x, y), tmp_path / "model.skops")
    script = (
        "import sys\n"
        "from umbel.graph.implementations import ModelFile\n"
        "from umbel.nodes.sklearn_model import open_model\n"
        "open_model(ModelFile('sklearn', sys.argv[1]))\n"
        "print({'torch', 'dask', 'sklearn'} & set(sys.modules))\n"
        "import torch, sklearn.externals.array_api_compat.torch as adapter\n"
        "assert adapter.asarray is not None\n"
    )
    told = subprocess.run(
        [sys.executable, "-c", script, str(tmp_path / "model.skops")],
        capture_output=True,
        text=True,
        check=True,
    )
    assert told.stdout == "{'sklearn'}\n"
