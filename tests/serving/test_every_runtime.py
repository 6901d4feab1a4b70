"""Every runtime, from a store to a client: one answer over V1, V2, V2 binary and gRPC.

A model is trained on a real data set, saved in its format, put on a web server, and loaded from
there. Damaged files of each format are refused with the place and the reason.
"""

from __future__ import annotations

import io
import os
import tarfile
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.datasets import load_breast_cancer, load_diabetes, load_iris, load_wine
from sklearn.linear_model import LinearRegression, LogisticRegression

pytest.importorskip("tritonclient")
from tritonclient.utils import triton_to_np_dtype

import web_server
from loopback_grpc import serving_grpc
from loopback_server import Client, serving
from umbel import inference_graph, predictor
from umbel.graph.errors import DeclarationError
from web_server import Site

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore")]

IRIS = load_iris()
ROWS = IRIS.data.astype(np.float32)


@dataclass(frozen=True)
class Case:
    """A saved model. ``path``: its file or folder; ``expected``: what its library says of
    ``rows``, by the output's name on the wire (the first one if it is empty)."""

    format: str
    path: Path
    rows: Any
    expected: Any
    output: str = ""
    settings: dict[str, object] = field(default_factory=dict)


def sklearn(home: Path) -> Case:
    from skops.io import dump

    data = load_wine()
    model = LogisticRegression(max_iter=50).fit(data.data, data.target)
    dump(model, home / "model.skops")
    return Case("sklearn", home / "model.skops", data.data[:5], model.predict(data.data[:5]))


def xgboost(home: Path) -> Case:
    library = pytest.importorskip("xgboost")
    data = load_breast_cancer()
    rows = data.data.astype(np.float32)
    model = library.XGBClassifier(n_estimators=5).fit(rows, data.target)
    model.save_model(home / "model.json")
    return Case(
        "xgboost",
        home / "model.json",
        rows[:5],
        model.get_booster().predict(library.DMatrix(rows[:5])),
    )


def lightgbm(home: Path) -> Case:
    library = pytest.importorskip("lightgbm")
    data = load_diabetes()
    train = library.Dataset(data.data, data.target)
    model = library.train({"verbose": -1, "num_threads": 1}, train, 5)
    model.save_model(home / "model.txt")
    return Case("lightgbm", home / "model.txt", data.data[:5], model.predict(data.data[:5]))


def catboost(home: Path) -> Case:
    library = pytest.importorskip("catboost")
    data = load_diabetes()
    model = library.CatBoostRegressor(iterations=5, verbose=False, allow_writing_files=False)
    model.fit(data.data, data.target)
    model.save_model(str(home / "model.cbm"))
    return Case("catboost", home / "model.cbm", data.data[:5], model.predict(data.data[:5]))


def onnx(home: Path) -> Case:
    convert = pytest.importorskip("skl2onnx")
    pytest.importorskip("onnxruntime")
    model = LogisticRegression(max_iter=200).fit(ROWS, IRIS.target)
    made = convert.to_onnx(model, ROWS[:1], options={"zipmap": False})
    (home / "model.onnx").write_bytes(made.SerializeToString())
    probabilities = model.predict_proba(ROWS[:5])
    return Case("onnx", home / "model.onnx", ROWS[:5], probabilities, "probabilities")


def trained_net() -> Any:
    torch = pytest.importorskip("torch")
    torch.manual_seed(0)
    net = torch.nn.Sequential(torch.nn.Linear(4, 8), torch.nn.ReLU(), torch.nn.Linear(8, 3))
    descent = torch.optim.Adam(net.parameters(), 0.05)
    for _ in range(50):
        descent.zero_grad()
        torch.nn.functional.cross_entropy(
            net(torch.from_numpy(ROWS)), torch.from_numpy(IRIS.target)
        ).backward()
        descent.step()
    return net.eval()


def torch_export(home: Path) -> Case:
    net = trained_net()
    import torch

    shapes = ({0: torch.export.Dim("batch")},)
    program = torch.export.export(net, (torch.zeros(2, 4),), dynamic_shapes=shapes)
    torch.export.save(program, home / "model.pt2")
    expected = net(torch.from_numpy(ROWS[:5])).detach().numpy()
    return Case("pytorch", home / "model.pt2", ROWS[:5], expected, settings={"device": "cpu"})


def torchscript(home: Path) -> Case:
    net = trained_net()
    import torch

    torch.jit.script(net).save(str(home / "model.pt"))
    expected = net(torch.from_numpy(ROWS[:5])).detach().numpy()
    return Case("pytorch", home / "model.pt", ROWS[:5], expected, settings={"device": "cpu"})


def pmml(home: Path) -> Case:
    pytest.importorskip("sklearn_pmml_model")
    model = LinearRegression().fit(IRIS.data[:, :3], IRIS.data[:, 3])
    names = ("a", "b", "c")
    fields = "".join(
        f'<DataField name="{name}" optype="continuous" dataType="double"/>'
        for name in (*names, "y")
    )
    mining = "".join(f'<MiningField name="{name}"/>' for name in names)
    terms = "".join(
        f'<NumericPredictor name="{name}" coefficient="{weight}"/>'
        for name, weight in zip(names, model.coef_, strict=True)
    )
    (home / "model.pmml").write_text(
        '<PMML xmlns="http://www.dmg.org/PMML-4_4" version="4.4"><Header/>'
        f"<DataDictionary>{fields}</DataDictionary>"
        f'<RegressionModel functionName="regression"><MiningSchema>{mining}'
        '<MiningField name="y" usageType="target"/></MiningSchema>'
        f'<RegressionTable intercept="{model.intercept_}">{terms}</RegressionTable>'
        "</RegressionModel></PMML>"
    )
    rows = IRIS.data[:5, :3]
    return Case("pmml", home / "model.pmml", rows, model.predict(rows))


def mlflow(home: Path) -> Case:
    os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
    pytest.importorskip("mlflow.sklearn")
    import mlflow.models
    import mlflow.sklearn

    model = LogisticRegression(max_iter=200).fit(IRIS.data, IRIS.target)
    mlflow.sklearn.save_model(
        model,
        str(home / "model"),
        signature=mlflow.models.infer_signature(IRIS.data, model.predict(IRIS.data)),
        serialization_format="skops",
        pip_requirements=["scikit-learn"],
    )
    return Case(
        "mlflow",
        home / "model",
        IRIS.data[:5],
        model.predict(IRIS.data[:5]),
        settings={"allow_pickle": True},
    )


def huggingface(home: Path) -> Case:
    transformers = pytest.importorskip("transformers")
    torch = pytest.importorskip("torch")
    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    words += sorted({word for name in IRIS.feature_names for word in name.split()})
    torch.manual_seed(0)
    sizes = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2}
    config = transformers.BertConfig(
        vocab_size=len(words), intermediate_size=16, num_labels=2, **sizes
    )
    folder = home / "model"
    folder.mkdir()
    (folder / "vocab.txt").write_text("\n".join(words))
    model = transformers.BertForSequenceClassification(config).eval()
    model.save_pretrained(folder)
    tokenizer = transformers.BertTokenizerFast(
        str(folder / "vocab.txt"), model_max_length=32, pad_token="[PAD]"
    )
    tokenizer.save_pretrained(folder)
    texts = IRIS.feature_names[:3]
    told = model(**tokenizer(texts, return_tensors="pt", padding=True)).logits.argmax(axis=1)
    labels = [f"LABEL_{number}" for number in told.tolist()]
    return Case("huggingface", folder, texts, labels, "label", {"device": "cpu"})


BUILDERS = (
    sklearn,
    xgboost,
    lightgbm,
    catboost,
    onnx,
    torch_export,
    torchscript,
    pmml,
    mlflow,
    huggingface,
)


@pytest.fixture(scope="module")
def site() -> Iterator[Site]:
    with web_server.serving() as there:
        yield there


@pytest.fixture(scope="module", params=BUILDERS, ids=lambda build: build.__name__)
def case(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Case:
    build: Callable[[Path], Case] = request.param
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return build(tmp_path_factory.mktemp(build.__name__))


@pytest.fixture(autouse=True)
def _cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("UMBEL_CACHE", str(tmp_path / "cache"))
    for name in ("http_proxy", "HTTP_PROXY", "https_proxy", "HTTPS_PROXY", "all_proxy"):
        monkeypatch.delenv(name, raising=False)


def packed(path: Path) -> tuple[str, bytes]:
    """A file as it is, a folder as an archive of its files."""
    if path.is_file():
        return path.name, path.read_bytes()
    whole = io.BytesIO()
    with tarfile.open(fileobj=whole, mode="w:gz") as archive:
        for file in sorted(path.rglob("*")):
            archive.add(file, str(file.relative_to(path)))
    return f"{path.name}.tar.gz", whole.getvalue()


def as_input(module: Any, rows: Any, **options: Any) -> Any:
    array = np.array([text.encode() for text in rows], object) if is_text(rows) else rows
    tensor = module.InferInput("x", list(array.shape), datatype(rows))
    tensor.set_data_from_numpy(array, **options)
    return tensor


def datatype(rows: Any) -> str:
    return "BYTES" if is_text(rows) else {"float32": "FP32", "float64": "FP64"}[rows.dtype.name]


def is_text(rows: Any) -> bool:
    return isinstance(rows, list)


def by_name(result: Any) -> dict[str, Any]:
    told = result.get_response()
    if isinstance(told, dict):
        names = [output["name"] for output in told["outputs"]]
    else:
        names = [output.name for output in told.outputs]
    return {name: result.as_numpy(name) for name in names}


async def test_one_answer_over_every_protocol(case: Case, site: Site) -> None:
    grpc = pytest.importorskip("tritonclient.grpc.aio")
    http = pytest.importorskip("tritonclient.http.aio")
    name, content = packed(case.path)
    site.files[f"/{name}"] = content
    model = predictor(case.format, uri=f"{site.url}/{name}", settings=case.settings)

    @inference_graph
    def served(x):
        return model(x)

    found: dict[str, dict[str, Any]] = {}
    with serving(served) as client:
        predictions = v1(client, case.rows)
        found["V2 JSON"] = v2_json(client, case.rows)
        async with http.InferenceServerClient(f"127.0.0.1:{client.port}/served") as stock:
            tensor = as_input(http, case.rows, binary_data=True)
            found["V2 binary"] = by_name(await stock.infer("served", [tensor]))
    async with serving_grpc(served) as front:
        address = front.url.removeprefix("grpc://")
        async with grpc.InferenceServerClient(address) as stock:
            found["gRPC"] = by_name(await stock.infer("served", [as_input(grpc, case.rows)]))
    first = found["V2 JSON"]
    output = case.output or next(iter(first))
    for told in found.values():
        assert told.keys() == first.keys()
        for key, array in told.items():
            np.testing.assert_array_equal(array, first[key])
    told = texts(first[output]) if is_text(case.rows) else first[output]
    if is_text(case.rows):
        assert told == case.expected
        assert [row[output] for row in predictions] == case.expected
        return
    np.testing.assert_allclose(told, case.expected, rtol=1e-5, atol=1e-6)
    column = [row[output] for row in predictions] if case.output else predictions
    np.testing.assert_allclose(column, told, rtol=1e-6)


def v2_json(client: Client, rows: Any) -> dict[str, Any]:
    """The outputs as arrays, by name."""
    data = rows if is_text(rows) else rows.ravel().tolist()
    tensor = {"name": "x", "datatype": datatype(rows), "shape": list(np.shape(rows)), "data": data}
    answer = client.post("/served/v2/models/served/infer", {"inputs": [tensor]})
    assert answer.status == 200, answer.body
    return {
        one["name"]: np.array(
            [text.encode() for text in one["data"]] if one["datatype"] == "BYTES" else one["data"],
            object if one["datatype"] == "BYTES" else triton_to_np_dtype(one["datatype"]),
        ).reshape(one["shape"])
        for one in answer.json["outputs"]
    }


def texts(array: Any) -> list[str]:
    return [one.decode() if isinstance(one, bytes) else str(one) for one in array.ravel()]


def v1(client: Client, rows: Any) -> Any:
    instances = rows if is_text(rows) else rows.tolist()
    answer = client.post("/served/v1/models/served:predict", {"instances": instances})
    assert answer.status == 200, answer.body
    predictions = answer.json["predictions"]
    if isinstance(predictions, dict):  # columns by name
        columns = predictions.items()
        return [
            {name: column[index] for name, column in columns} for index in range(len(instances))
        ]
    return predictions


@pytest.mark.parametrize("damage", ["half", "noise", "empty"])
def test_a_damaged_file_is_refused(case: Case, site: Site, damage: str) -> None:
    name, content = packed(case.path)
    noise = np.random.default_rng(3).bytes(len(content))
    damaged = {"half": content[: len(content) // 2], "noise": noise, "empty": b""}[damage]
    site.files[f"/{damage}/{name}"] = damaged
    model = predictor(case.format, uri=f"{site.url}/{damage}/{name}", settings=case.settings)
    with pytest.raises(DeclarationError) as caught:
        model(case.rows)
    assert case.path.stem in str(caught.value)
    assert len(str(caught.value)) < 1500
