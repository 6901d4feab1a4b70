"""Metadata and OpenAPI tell what a model's own file tells: outputs, columns, shapes."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from openapi_spec_validator import validate
from sklearn.compose import make_column_transformer
from sklearn.datasets import load_iris
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

import loopback_server
from loopback_server import Client
from umbel import inference_graph, predictor

skops_io = pytest.importorskip("skops.io")

NAMES = ["length", "width", "kind"]


def frame() -> Any:
    import pandas as pd

    iris = load_iris().data
    kind = np.where(iris[:, 2] > 4, "long", "short").astype(object)
    return pd.DataFrame({"length": iris[:, 0], "width": iris[:, 1], "kind": kind})


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Client]:
    home: Path = tmp_path_factory.mktemp("models")
    iris = load_iris()
    encoded = make_column_transformer(
        (OneHotEncoder(handle_unknown="ignore"), ["kind"]), (StandardScaler(), ["length", "width"])
    )
    mixed = make_pipeline(encoded, LogisticRegression()).fit(
        frame(), iris.target_names[iris.target]
    )
    numeric = LinearRegression().fit(frame()[["length", "width"]], iris.target)
    several = LinearRegression().fit(iris.data, iris.data[:, :2])
    for name, model in {"mixed": mixed, "numeric": numeric, "several": several}.items():
        skops_io.dump(model, home / f"{name}.skops")
    mixed_model, numeric_model, several_model = (
        predictor("sklearn", uri=str(home / f"{name}.skops"))
        for name in ("mixed", "numeric", "several")
    )
    named_model = predictor("onnx", uri=str(saved_onnx(home / "named.onnx")))

    @inference_graph
    def mixed_graph(x: Any) -> Any:
        return mixed_model(x)

    @inference_graph
    def numeric_graph(x: Any) -> Any:
        return numeric_model(x)

    @inference_graph
    def several_graph(x: Any) -> Any:
        return several_model(x)

    @inference_graph
    def named_graph(x: Any) -> Any:
        return named_model(x)

    @inference_graph
    def outer_graph(x: Any) -> Any:
        return named_graph(x)

    graphs = (mixed_graph, numeric_graph, several_graph, named_graph, outer_graph)
    with loopback_server.serving(*graphs) as found:
        yield found


def saved_onnx(path: Path) -> Path:
    """A classifier with two outputs, ``label`` and ``probabilities``."""
    skl2onnx = pytest.importorskip("skl2onnx")
    iris = load_iris()
    rows = iris.data.astype(np.float32)
    model = LogisticRegression(max_iter=500).fit(rows, iris.target)
    made = skl2onnx.to_onnx(model, rows[:1], options={"zipmap": False})
    path.write_bytes(made.SerializeToString())
    return path


def document(client: Client, name: str) -> Any:
    found = json.loads(client.get(f"/{name}/openapi.json").body)
    validate(found)
    return found


def test_columns_of_several_dtypes_are_a_tensor_each(client: Client) -> None:
    told = client.get("/mixed_graph/v2/models/mixed_graph").json
    assert [(one["name"], one["datatype"], one["shape"]) for one in told["inputs"]] == [
        ("length", "FP64", [-1, 1]), ("width", "FP64", [-1, 1]), ("kind", "BYTES", [-1, 1]),
    ]  # fmt: skip
    assert told["outputs"] == [{"name": "output-0", "datatype": "BYTES", "shape": [-1]}]
    data = {"length": [5.1, 7.0], "width": [3.5, 3.2], "kind": ["short", "long"]}
    inputs = [
        {
            "name": one["name"],
            "shape": [2, 1],
            "datatype": one["datatype"],
            "data": data[one["name"]],
        }
        for one in told["inputs"]
    ]
    answer = client.post("/mixed_graph/v2/models/mixed_graph/infer", {"inputs": inputs})
    rows = [dict(zip(data, row, strict=True)) for row in zip(*data.values(), strict=True)]
    over_v1 = client.post("/mixed_graph/v1/models/mixed_graph:predict", {"instances": rows})
    assert answer.json["outputs"][0]["data"] == over_v1.json["predictions"]
    assert over_v1.json["predictions"][0] == "setosa"


def test_columns_of_one_dtype_stay_a_matrix(client: Client) -> None:
    told = client.get("/numeric_graph/v2/models/numeric_graph").json
    assert told["inputs"] == [{"name": "x", "datatype": "FP64", "shape": [-1, 2]}]
    assert told["outputs"] == [{"name": "output-0", "datatype": "FP64", "shape": [-1]}]


@pytest.mark.parametrize("name", ["named_graph", "outer_graph"])
def test_a_graph_that_ends_in_a_model_with_several_outputs_names_them(
    client: Client, name: str
) -> None:
    told = client.get(f"/{name}/v2/models/{name}").json
    assert told["outputs"] == [
        {"name": "label", "datatype": "INT64", "shape": [-1]},
        {"name": "probabilities", "datatype": "FP32", "shape": [-1, 3]},
    ]
    tensor = {"name": "X", "shape": [1, 4], "datatype": "FP32", "data": [5.1, 3.5, 1.4, 0.2]}
    body = {"inputs": [tensor], "outputs": [{"name": "probabilities"}]}
    (output,) = client.post(f"/{name}/v2/models/{name}/infer", body).json["outputs"]
    assert (output["name"], output["datatype"], output["shape"]) == (
        "probabilities",
        "FP32",
        [1, 3],
    )
    assert document(client, name)["components"]["schemas"]["V2Response"]


def test_what_no_file_tells_is_found_by_asking(client: Client) -> None:
    told = client.get("/several_graph/v2/models/several_graph").json
    assert told["outputs"] == [{"name": "output-0", "datatype": "FP64", "shape": [-1, 2]}]


def test_the_document_has_a_type_for_each_column(client: Client) -> None:
    schemas = document(client, "mixed_graph")["components"]["schemas"]
    row, _ = schemas["V1Request"]["oneOf"][0]["properties"]["instances"]["anyOf"]
    assert row["items"]["required"] == NAMES
    types = {name: one["type"] for name, one in row["items"]["properties"].items()}
    assert types == {"length": ["number", "null"], "width": ["number", "null"], "kind": "string"}
    tensors = schemas["V2Request"]["properties"]["inputs"]["items"]["anyOf"]
    assert [one["properties"]["name"]["const"] for one in tensors] == NAMES
    assert [one["properties"]["datatype"]["const"] for one in tensors] == ["FP64", "FP64", "BYTES"]


@pytest.mark.parametrize("name", ["mixed_graph", "numeric_graph", "several_graph", "named_graph"])
def test_the_examples_of_the_document_are_answered(client: Client, name: str) -> None:
    tried = 0
    for path, operations in document(client, name)["paths"].items():
        for method, operation in operations.items():
            body = operation.get("requestBody", {}).get("content", {}).get("application/json", {})
            if method == "get" or "example" in body:
                answer = client.ask(method.upper(), path, body.get("example"))
                assert answer.status == 200, (path, answer.body)
                tried += 1
    assert tried > 8


@pytest.mark.parametrize(
    "rows",
    [
        [{"length": 1, "width": 2, "kind": 3}],
        [{"length": 1, "width": 2, "kind": True}],
        [[True, True, True], [False, True, False]],
        [{"length": 1, "width": 2, "kind": {"a": 1}}],
    ],
)
def test_what_is_no_text_in_a_column_of_text_is_refused(client: Client, rows: Any) -> None:
    answer = client.post("/mixed_graph/v1/models/mixed_graph:predict", {"instances": rows})
    assert answer.status == 400
    assert "expected text in column 'kind'" in answer.error
