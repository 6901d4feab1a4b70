"""A converted model answers as the one it came from, or is not written at all."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import joblib
import lightgbm
import numpy as np
import onnx
import pandas as pd
import pytest
import skops.io
import torch
import xgboost
from safetensors.torch import save_file
from sklearn.compose import make_column_transformer
from sklearn.datasets import load_diabetes, load_iris
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler
from sklearn.svm import LinearSVC

from loopback_server import serving
from umbel import cli, inference_graph, predictor
from umbel.graph.errors import DeclarationError, MissingExtra
from umbel.nodes.conversion import converting, onnx_graph
from umbel.nodes.conversion.converting import AnswersDiffer, Conversion, Converted, convert

IRIS = load_iris(as_frame=True)
X, Y = IRIS.data.to_numpy(), IRIS.target.to_numpy()

pytestmark = [
    pytest.mark.slow,  # what it imports takes seconds
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::FutureWarning"),
]


class Pair(torch.nn.Module):
    """Two inputs, two named outputs."""

    def __init__(self) -> None:
        super().__init__()
        self.words = torch.nn.Embedding(9, 3)
        self.end = torch.nn.Linear(3, 2)

    def forward(self, ids: torch.Tensor, mask: torch.Tensor) -> dict[str, torch.Tensor]:
        pooled = (self.words(ids) * mask.unsqueeze(-1)).sum(1)
        return {"score": self.end(pooled), "pooled": pooled}


def saved(estimator: Any, folder: Path) -> Path:
    skops.io.dump(estimator, folder / "model.skops")
    return folder / "model.skops"


def to_onnx(path: Path, **more: Any) -> Converted:
    settings = more.pop("settings", {})
    return convert(Conversion(str(path), "onnx", settings=settings, **more))


@pytest.fixture(scope="module")
def scaled() -> Any:
    return make_pipeline(StandardScaler(), LogisticRegression()).fit(X, Y)


@pytest.fixture(scope="module")
def flats() -> tuple[pd.DataFrame, Any]:
    """Columns of numbers, of strings and of whole numbers, and a pipeline over their names."""
    rng = np.random.default_rng(0)
    table = pd.DataFrame(
        {
            "size": rng.normal(60, 20, 300),
            "city": rng.choice(["Bonn", "Kiel", "Ulm"], 300),
            "rooms": rng.integers(1, 5, 300),
        }
    )
    label = np.where((table["size"] > 60) & (table.city == "Bonn"), "dear", "cheap")
    numbers = make_pipeline(SimpleImputer(), StandardScaler())
    columns = make_column_transformer((numbers, ["size"]), (OneHotEncoder(), ["city", "rooms"]))
    return table, make_pipeline(columns, LogisticRegression()).fit(table, label)


@pytest.mark.parametrize("method", ["predict", "predict_proba", "decision_function"])
def test_each_method_of_a_classifier(scaled: Any, tmp_path: Path, method: str) -> None:
    done = to_onnx(saved(scaled, tmp_path), settings={"method": method})
    assert done.out == tmp_path / "model.onnx"
    assert done.found.rows == 256
    assert done.found.largest < 1e-5
    if method != "decision_function":
        assert (done.found.differing, done.found.distinct) == (0, 3)
    expected = getattr(scaled, method)(X)
    got = predictor("onnx", uri=str(done.out))(X)
    np.testing.assert_allclose(got, expected, atol=1e-5)
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith(".")] == []


def test_a_classifier_without_probabilities_and_a_regressor(tmp_path: Path) -> None:
    svc = LinearSVC().fit(X, Y)
    done = to_onnx(saved(svc, tmp_path))
    assert predictor("onnx", uri=str(done.out))(X).tolist() == svc.predict(X).tolist()
    assert any("range of 4 of 4 columns" in note for note in done.notes)
    rows, target = load_diabetes(return_X_y=True)
    line = make_pipeline(StandardScaler(), LinearRegression()).fit(rows, target)
    done = to_onnx(saved(line, tmp_path), overwrite=True)
    got = predictor("onnx", uri=str(done.out))(rows)
    assert got.shape == target.shape
    np.testing.assert_allclose(got, line.predict(rows), rtol=1e-4)


def test_names_and_strings_and_the_same_requests(
    flats: tuple[pd.DataFrame, Any], tmp_path: Path
) -> None:
    """What is sent to the source is sent to the conversion: rows by name, over both protocols."""
    table, pipeline = flats
    settings = {"method": "predict_proba", "trusted": ["numpy.dtype"]}
    done = to_onnx(saved(pipeline, tmp_path), settings=settings)
    source = predictor("sklearn", uri=str(tmp_path / "model.skops"), settings=settings)
    target = predictor("onnx", uri=str(done.out))

    @inference_graph
    def before(x):
        return source(x)

    @inference_graph
    def after(x):
        return target(x)

    rows = json.loads(table.head(20).to_json(orient="records"))
    rows[3]["size"] = None
    values = [[row["size"], row["city"], row["rooms"]] for row in rows]
    with serving(before, after) as client:
        answers = [
            client.post(f"/{name}/v1/models/{name}:predict", {"instances": body})
            for name in ("before", "after")
            for body in (rows, values)
        ]
        bad = client.post("/after/v1/models/after:predict", {"instances": [{"size": 1.0}]})
    assert [answer.status for answer in answers] == [200] * 4
    found = [np.array(answer.json["predictions"]) for answer in answers]
    for other in found[1:]:
        np.testing.assert_allclose(found[0], other, atol=1e-5)
    assert bad.status == 400
    assert "columns ['city', 'rooms'] are missing" in bad.body.decode()


@pytest.mark.parametrize("method", ["predict", "class"])
def test_boosters_of_classes_with_missing_values(tmp_path: Path, method: str) -> None:
    model = xgboost.XGBClassifier(n_estimators=3, max_depth=3, n_jobs=1).fit(IRIS.data, Y == 1)
    model.save_model(tmp_path / "model.ubj")
    settings = {"method": method}
    done = to_onnx(tmp_path / "model.ubj", settings=settings)
    holes = np.where(np.random.default_rng(1).random(X.shape) < 0.2, np.nan, X)
    source = predictor("xgboost", uri=str(tmp_path / "model.ubj"), settings=settings)
    got = predictor("onnx", uri=str(done.out))(holes)
    np.testing.assert_allclose(got, source(holes), atol=1e-6)
    named = predictor("onnx", uri=str(done.out))(IRIS.data.iloc[:, ::-1])
    np.testing.assert_allclose(named, source(X), atol=1e-6)


def test_a_lightgbm_regressor_and_where_its_rows_are_taken_from(tmp_path: Path) -> None:
    rows, target = load_diabetes(return_X_y=True)
    rows = np.where(np.random.default_rng(1).random(rows.shape) < 0.1, np.nan, rows)
    model = lightgbm.LGBMRegressor(n_estimators=5, n_jobs=1, verbose=-1).fit(rows, target)
    model.booster_.save_model(tmp_path / "model.txt")
    done = to_onnx(tmp_path / "model.txt")
    got = predictor("onnx", uri=str(done.out))(rows)
    np.testing.assert_allclose(got, model.predict(rows), rtol=1e-4)
    assert done.notes == ()  # the booster tells every column's range, and nan was compared


@pytest.mark.parametrize("method", ["predict", "predict_proba"])
def test_catboost_writes_its_own(tmp_path: Path, method: str) -> None:
    catboost = pytest.importorskip("catboost")
    model = catboost.CatBoostClassifier(
        iterations=5, thread_count=1, verbose=0, allow_writing_files=False
    ).fit(IRIS.data, IRIS.target_names[Y])
    model.save_model(str(tmp_path / "model.cbm"))
    done = to_onnx(tmp_path / "model.cbm", settings={"method": method})
    source = predictor("catboost", uri=str(tmp_path / "model.cbm"), settings={"method": method})
    got, expected = predictor("onnx", uri=str(done.out))(X), source(X)
    if method == "predict":
        assert got.tolist() == expected.tolist()
    else:
        np.testing.assert_allclose(got, expected, atol=1e-6)


def exported(folder: Path) -> Path:
    ids, mask = torch.randint(0, 9, (5, 7)), torch.ones(5, 7)
    free = torch.export.Dim.AUTO
    program = torch.export.export(
        Pair().eval(), (ids, mask), dynamic_shapes={"ids": {0: free}, "mask": {0: free}}
    )
    torch.export.save(program, folder / "pair.pt2")
    return folder / "pair.pt2"


def test_a_torch_program_with_two_inputs_becomes_onnx(tmp_path: Path) -> None:
    path = exported(tmp_path)
    done = to_onnx(path)
    inputs = {"ids": np.random.default_rng(0).integers(0, 9, (4, 7)), "mask": np.eye(4, 7)}
    inputs["mask"] = inputs["mask"].astype(np.float32)
    spec = {"ids": None, "mask": None}
    before = predictor("pytorch", uri=str(path), inputs=spec, settings={"device": "cpu"})(**inputs)
    after = predictor("onnx", uri=str(done.out), inputs=spec)(**inputs)
    assert before.keys() == after.keys() == {"score", "pooled"}
    for name, value in before.items():
        np.testing.assert_allclose(after[name], value, atol=1e-5)


@pytest.mark.parametrize(("to", "format"), [("onnx", "onnx"), ("torch-export", "pytorch")])
@pytest.mark.parametrize("kind", ["weights", "script"])
def test_modules_and_scripts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, to: str, format: str, kind: str
) -> None:
    (tmp_path / "its_module.py").write_text(
        "import torch\n"
        "class Net(torch.nn.Sequential):\n"
        "    def __init__(self):\n"
        "        super().__init__(torch.nn.Linear(4, 8), torch.nn.ReLU(), torch.nn.Linear(8, 3))\n"
        "    def forward(self, x):\n"
        "        return super().forward(x)\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    net = __import__("its_module").Net().eval()
    rows = X.astype(np.float32)
    settings: dict[str, object] = {}
    if kind == "weights":
        path = tmp_path / "net.safetensors"
        save_file(net.state_dict(), path)
        settings = {"class": "its_module:Net"}
        with pytest.raises(DeclarationError, match="--sample FILE"):
            convert(Conversion(str(path), to, settings=settings))
    else:
        path = tmp_path / "net.ts"
        torch.jit.save(torch.jit.trace(net, torch.zeros(2, 4)), path)
    np.save(tmp_path / "rows.npy", rows[:10])
    done = convert(Conversion(str(path), to, settings=settings, sample=tmp_path / "rows.npy"))
    assert done.found.rows == 10
    with torch.no_grad():
        expected = net(torch.from_numpy(rows)).numpy()
    got = predictor(format, uri=str(done.out), settings={"device": "cpu"})(rows)
    np.testing.assert_allclose(got, expected, atol=1e-5)


@pytest.fixture()
def wrong(monkeypatch: pytest.MonkeyPatch) -> None:
    """An exporter with a fault: it adds a little."""
    plain = onnx_graph.keep_output

    def keep(model: Any, name: str) -> None:
        plain(model, name)
        (output,) = model.graph.output
        kind = output.type.tensor_type.elem_type
        model.graph.initializer.append(onnx.helper.make_tensor("fault", kind, [], [2e-3]))
        model.graph.node.append(onnx.helper.make_node("Add", [name, "fault"], ["more"]))
        output.name = "more"

    monkeypatch.setattr(onnx_graph, "keep_output", keep)


@pytest.mark.usefixtures("wrong")
def test_other_answers_are_refused_and_nothing_is_written(scaled: Any, tmp_path: Path) -> None:
    path = saved(scaled, tmp_path)
    (tmp_path / "model.onnx").write_bytes(b"the old one")
    with pytest.raises(AnswersDiffer, match=r"largest difference 0\.00\d+ on 256 rows"):
        to_onnx(path, settings={"method": "predict_proba"}, overwrite=True)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["model.onnx", "model.skops"]
    assert (tmp_path / "model.onnx").read_bytes() == b"the old one"
    done = to_onnx(path, settings={"method": "predict_proba"}, overwrite=True, tolerance=0.01)
    assert 1e-4 < done.found.largest < 0.01


def test_your_own_rows(scaled: Any, flats: tuple[pd.DataFrame, Any], tmp_path: Path) -> None:
    path = saved(scaled, tmp_path)
    np.save(tmp_path / "rows.npy", X[:30])
    (tmp_path / "v1.json").write_text(json.dumps({"instances": X[:20].tolist()}))
    v2 = {"name": "x", "shape": [10, 4], "datatype": "FP64", "data": X[:10].ravel().tolist()}
    (tmp_path / "v2.json").write_text(json.dumps({"inputs": [v2]}))
    for name, rows in {"rows.npy": 30, "v1.json": 20, "v2.json": 10}.items():
        done = to_onnx(path, sample=tmp_path / name, overwrite=True)
        assert (done.found.rows, done.notes) == (rows, ())
    table, pipeline = flats
    table.head(40).to_csv(tmp_path / "rows.csv", index=False)
    path, trusted = saved(pipeline, tmp_path), {"trusted": ["numpy.dtype"]}
    done = to_onnx(path, settings=trusted, sample=tmp_path / "rows.csv", overwrite=True)
    assert done.found.rows == 40
    (tmp_path / "empty.json").write_text("[]")
    with pytest.raises(DeclarationError, match="holds no rows"):
        to_onnx(path, settings=trusted, sample=tmp_path / "empty.json", overwrite=True)
    (tmp_path / "half.npy").write_bytes((tmp_path / "rows.npy").read_bytes()[:300])
    with pytest.raises(DeclarationError, match="cannot be read as a sample"):
        to_onnx(path, settings=trusted, sample=tmp_path / "half.npy", overwrite=True)


def test_pickles_need_permission_and_places_are_checked(
    scaled: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("UMBEL_ALLOW_PICKLE", raising=False)
    path = tmp_path / "model.joblib"
    joblib.dump(scaled, path)
    assert cli.main(["convert", str(path), "--to", "onnx"]) == 1
    assert "--allow-pickle" in capsys.readouterr().err
    monkeypatch.setenv("UMBEL_ALLOW_PICKLE", "")  # what the verb sets ends with the test
    words = [
        "convert",
        str(path),
        "--to",
        "onnx",
        "--allow-pickle",
        "--set",
        "method=predict_proba",
    ]
    assert cli.main([*words, "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["out"] == str(tmp_path / "model.onnx")
    assert (told["classesDiffering"], told["distinctClasses"], told["rows"]) == (0, 3, 256)
    assert cli.main(words) == 1
    assert "is there already" in capsys.readouterr().err
    assert cli.main([*words, "--force"]) == 0
    out = capsys.readouterr()
    assert "compared on 256 rows: largest difference" in out.out
    assert "missing values were not compared" in out.err
    for more, said in (
        (["-o", str(tmp_path / "model.txt")], "ends in .onnx"),
        (["-o", str(tmp_path / "nowhere" / "model.onnx")], "a folder that is there"),
        (["--format", "mlflow"], "is not converted to onnx; there are"),
        (["--set", "nonsense=1"], "has no setting 'nonsense'"),
    ):
        assert cli.main([*words, "--force", *more]) == 1
        assert said in capsys.readouterr().err


def test_what_does_not_go(scaled: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = saved(scaled, tmp_path)
    with pytest.raises(DeclarationError, match="'sklearn' model is not converted to torch-export"):
        convert(Conversion(str(path), "torch-export"))
    with pytest.raises(DeclarationError, match="has no form in ONNX"):
        to_onnx(path, settings={"method": "predict_log_proba"})
    path.write_bytes(path.read_bytes()[:500])
    with pytest.raises(DeclarationError, match="cannot be read as a skops file"):
        to_onnx(path)
    (tmp_path / "what.bst").write_bytes(b"?")
    with pytest.raises(DeclarationError, match="--format sklearn|xgboost"):
        to_onnx(tmp_path / "what.bst")
    saved(scaled, tmp_path)
    monkeypatch.setitem(__import__("sys").modules, "skl2onnx", None)
    with pytest.raises(MissingExtra, match=r"pip install 'umbel\[convert\]'"):
        to_onnx(path)


def test_a_pipeline_may_end_in_a_booster(tmp_path: Path) -> None:
    model = Pipeline(
        [("scale", StandardScaler()), ("trees", xgboost.XGBClassifier(n_estimators=3, n_jobs=1))]
    ).fit(X, Y)
    path = saved(model, tmp_path)
    trusted = skops.io.get_untrusted_types(file=path)
    done = to_onnx(path, settings={"method": "predict_proba", "trusted": trusted})
    got = predictor("onnx", uri=str(done.out))(X)
    np.testing.assert_allclose(got, model.predict_proba(X), atol=1e-5)


def test_metadata_of_a_foreign_file_is_not_trusted(scaled: Any, tmp_path: Path) -> None:
    """Names that do not fit the inputs are as good as none."""
    done = to_onnx(saved(scaled, tmp_path))
    model = onnx.load(str(done.out))
    entry = model.metadata_props.add()
    entry.key, entry.value = "umbel.columns", '["a", "b"]'
    onnx.save_model(model, str(done.out))
    assert predictor("onnx", uri=str(done.out))(X).tolist() == scaled.predict(X).tolist()


def test_the_targets_are_those_of_the_verb() -> None:
    assert set(converting.writing.TARGETS) == {"onnx", "torch-export"}
