"""``:explain`` on the wire: V1, V2, pictures, and what a client is told when it cannot be."""

from __future__ import annotations

import json
import warnings
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from sklearn.datasets import load_breast_cancer
from sklearn.linear_model import LogisticRegression

from explainer_libraries import alibi_or_skip
from loopback_server import Client, serving
from umbel import Tensor, explainer, inference_graph, predictor

library = alibi_or_skip()
pytestmark = pytest.mark.slow

DATA = load_breast_cancer()
X = (DATA.data - DATA.data.mean(axis=0)) / DATA.data.std(axis=0)
MODEL = LogisticRegression(max_iter=500).fit(X, DATA.target)
ROW = X[3].tolist()
QUICK = {"coverage_samples": 200, "threshold": 0.8}
Labels = Tensor["batch"]
Rows = Tensor["float64", "batch", 30]


@predictor
def tumour(x: Rows) -> Labels:
    return MODEL.predict(x)


why = explainer("alibi-anchor-tabular", train=X, settings={"budget_samples": 50_000})
what_matters = explainer("alibi-permutation-importance", train=(X, DATA.target))


@inference_graph(explainer=why)
def cancer(x: Any) -> Any:
    return tumour(x)


@inference_graph(explainer=what_matters)
def importance(x: Any) -> Any:
    return tumour(x)


@inference_graph
def unexplained(x: Any) -> Any:
    return tumour(x)


@inference_graph
def both(x: Any) -> Any:
    return {"answer": tumour(x), "why": explainer("alibi-kernel-shap", of=tumour, train=X[:5])(x)}


@pytest.fixture(scope="module")
def client() -> Iterator[Client]:
    with serving(cancer, importance, unexplained, both) as found:
        yield found


@pytest.fixture(autouse=True)
def _quiet() -> Iterator[None]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


V1, V2 = "/cancer/v1/models/cancer:explain", "/cancer/v2/models/cancer/explain"


def test_v1_gives_alibis_explanation(client: Client) -> None:
    answer = client.post(V1, {"instances": [ROW], "parameters": QUICK})
    assert answer.status == 200, answer.body
    direct = library.AnchorTabular(
        MODEL.predict, [f"f{i}" for i in range(30)], seed=0, dtype=X.dtype
    ).fit(X)
    expected = json.loads(direct.explain(X[3], **QUICK).to_json())
    assert answer.json["data"]["anchor"] == expected["data"]["anchor"]
    assert answer.json["data"]["precision"] == expected["data"]["precision"]
    assert set(answer.json) == {"meta", "data", "budget"}


def test_v2_gives_the_same_as_a_tensor_of_texts(client: Client) -> None:
    body = {
        "id": "42",
        "inputs": [{"name": "x", "datatype": "FP64", "shape": [1, 30], "data": ROW}],
        "parameters": QUICK,
    }
    answer = client.post(V2, body)
    assert answer.status == 200, answer.body
    (output,) = answer.json["outputs"]
    assert (output["name"], output["datatype"], output["shape"]) == ("explanation", "BYTES", [1])
    assert answer.json["id"] == "42"
    as_v1 = client.post(V1, {"instances": [ROW], "parameters": QUICK}).json
    assert json.loads(output["data"][0])["data"] == as_v1["data"]


def test_several_instances_come_as_explanations(client: Client) -> None:
    answer = client.post(V1, {"instances": [ROW, ROW], "parameters": QUICK})
    assert len(answer.json["explanations"]) == 2
    inputs = [{"name": "x", "datatype": "FP64", "shape": [2, 30], "data": ROW + ROW}]
    as_v2 = client.post(V2, {"inputs": inputs, "parameters": QUICK})
    texts = as_v2.json["outputs"][0]["data"]
    assert [json.loads(one)["data"] for one in texts] == [
        one["data"] for one in answer.json["explanations"]
    ]


@pytest.mark.parametrize(
    ("accept", "start"), [("image/svg+xml", b"<?xml"), ("image/png, */*", b"\x89PNG")]
)
def test_a_picture_is_asked_for_as_any_picture_is(
    client: Client, accept: str, start: bytes
) -> None:
    answer = client.post(V1, {"instances": [ROW], "parameters": QUICK}, accept=accept)
    assert answer.status == 200, answer.body
    assert answer.headers["content-type"] == accept.partition(",")[0]
    assert answer.body.startswith(start)


def test_a_data_set_of_its_own(client: Client) -> None:
    path = "/importance/v1/models/importance:explain"
    answer = client.post(path, {"instances": [], "parameters": {"n_repeats": 2, "features": [0]}})
    assert answer.status == 200, answer.body
    assert answer.json["data"]["feature_names"] == ["f_0"]


def test_an_explainer_as_a_node_of_a_graph(client: Client) -> None:
    answer = client.post("/both", {"x": [ROW]})
    assert answer.status == 200, answer.body
    values = np.asarray(answer.json["why"]["data"]["shap_values"])
    assert values.shape == (1, 1, 30)
    assert answer.json["answer"] == MODEL.predict(X[3:4]).tolist()


def test_a_graph_without_an_explainer_says_501(client: Client) -> None:
    for path in ("v1/models/unexplained:explain", "v2/models/unexplained/explain"):
        answer = client.post(f"/unexplained/{path}", {"instances": [ROW]})
        assert answer.status == 501
        assert answer.error == "'unexplained' has no explainer"
    assert client.post("/cancer/v1/models/other:explain", {"instances": [ROW]}).status == 404


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ({"instances": [ROW[:4]]}, "expected shape [batch, 30], got [1, 4]"),
        ({"instances": [["a"] * 30]}, "expected a number"),
        ({"instances": 3}, "instances"),
        ({}, "instances"),
        ({"instances": []}, "at least one"),
        ({"instances": [ROW], "parameters": {"threshold": "high"}}, "'threshold' is a number"),
        ({"instances": [ROW], "parameters": {"treshold": 1}}, "'treshold' is not known"),
        ({"instances": [ROW], "parameters": {"coverage_samples": 10**12}}, "at most 100000"),
        ({"instances": [ROW], "parameters": []}, "expected an object"),
        ({"instances": [ROW], "parameters": {"picture": "gif"}}, "one of svg, png"),
        ({"instances": [ROW] * 17, "parameters": {"picture": "svg"}}, "up to 16 instances"),
    ],
)
def test_a_clients_mistake_is_a_400_that_says_it(client: Client, body: Any, said: str) -> None:
    answer = client.post(V1, body)
    assert answer.status == 400, answer.body
    assert said in answer.error


def test_a_budget_is_kept(client: Client) -> None:
    little = {**QUICK, "threshold": 0.9999, "budget_samples": 500}
    answer = client.post(V1, {"instances": [X[19].tolist()], "parameters": little})
    assert answer.status == 200, answer.body
    assert answer.json["budget"]["partial"] is True
    nothing = client.post(V1, {"instances": [ROW], "parameters": {"budget_samples": 3}})
    assert nothing.status == 504
    assert "no explanation within its budget" in nothing.error
    more = {**QUICK, "budget_samples": 10**8}
    assert client.post(V1, {"instances": [ROW], "parameters": more}).status == 200
