"""What a served graph answers over HTTP: both protocols, its pages, and every kind of mistake."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from typing import Any, TypedDict

import numpy as np
import pytest

from loopback_server import Client, serving
from umbel import Tensor, inference_graph, otherwise, predictor, switch, transformer, when
from umbel.graph.errors import InvalidInput

Rows = Tensor["float32", "batch", 2]
Row = Tensor["batch"]
Labels = Tensor["int64", "batch"]


class Scored(TypedDict):
    label: Labels
    score: Row


@predictor
def scores(x: Rows) -> Scored:
    return {"label": x.argmax(axis=1), "score": x.max(axis=1)}


@transformer
def ratio(a: Row, b: Row) -> Row:
    if np.any(b == 0):
        raise ZeroDivisionError("the secret cause")
    return a / b


@transformer
def sound(text: str) -> str:
    if text == "mute":
        raise InvalidInput("text: expected something audible, got 'mute'")
    return text.upper()


@inference_graph(example=[[0.5, 0.25]])
def classify(x):
    """The larger of two numbers."""
    return scores(x)


@inference_graph
def divide(a, b=(2.0,)):
    return ratio(a, b)


@inference_graph
def shout(text: str):
    return switch(when(text == "quiet", text), otherwise(sound(text)))


@inference_graph
def fixed():
    return 7


@inference_graph
def picky(body: dict):
    return body["wanted"] * 2


@pytest.fixture(scope="module")
def client() -> Iterator[Client]:
    with serving(classify, divide, shout, fixed, picky, body_limit=2000) as served:
        yield served


V1 = "/classify/v1/models/classify:predict"
V2 = "/classify/v2/models/classify/infer"


def tensor(name: str, data: Any, datatype: str = "FP32", shape: Any = None) -> dict[str, Any]:
    shape = list(np.shape(data)) if shape is None else shape
    return {"name": name, "datatype": datatype, "shape": shape, "data": data}


# --- Answers --------------------------------------------------------------------------------


def test_v1(client: Client) -> None:
    answer = client.post(V1, {"instances": [[1, 3], [5, 2]]})
    assert answer.status == 200
    assert answer.body == (b'{"predictions":[{"label":1,"score":3.0},{"label":0,"score":5.0}]}')


def test_v2(client: Client) -> None:
    answer = client.post(V2, {"id": "q1", "inputs": [tensor("anything", [[1, 3], [5, 2]])]})
    assert answer.status == 200
    assert answer.json == {
        "model_name": "classify",
        "id": "q1",
        "outputs": [
            {"name": "label", "datatype": "INT64", "shape": [2], "data": [1, 0]},
            {"name": "score", "datatype": "FP32", "shape": [2], "data": [3.0, 5.0]},
        ],
    }


def test_the_graph_call_takes_either_protocol_or_the_inputs(client: Client) -> None:
    expected = {"label": [1], "score": [3.0]}
    assert client.post("/classify", [[1, 3]]).json == expected
    assert client.post("/classify", {"x": [[1, 3]]}).json == expected
    assert client.post("/classify/", {"instances": [[1, 3]]}).json["predictions"]
    assert client.post("/classify", {"inputs": [tensor("x", [[1, 3]])]}).json["outputs"]


def test_several_inputs(client: Client) -> None:
    assert client.post("/divide", {"a": [3, 1], "b": [2, 4]}).json == {"output": [1.5, 0.25]}
    rows = {"instances": [{"a": 3, "b": 2}, {"a": 1, "b": 4}]}
    assert client.post("/divide/v1/models/divide:predict", rows).json == {
        "predictions": [1.5, 0.25]
    }
    tensors = {"inputs": [tensor("b", [2.0], "FP64"), tensor("a", [3.0], "FP64")]}
    answer = client.post("/divide/v2/models/divide/infer", tensors)
    assert answer.json["outputs"][0]["data"] == [1.5]


def test_text_constants_and_parts(client: Client) -> None:
    predict = "/shout/v1/models/shout:predict"
    assert client.post(predict, {"instances": ["hey"]}).json == {"predictions": "HEY"}
    assert client.post("/shout", {"text": "quiet"}).json == {"output": "quiet"}
    for body in ({}, {"instances": []}):
        assert client.post("/fixed", body).status == 200, body
    assert client.post("/fixed", {}).json == {"output": 7}
    assert client.post("/picky", {"body": {"wanted": 2}}).json == {"output": 4}


def test_health_and_metadata(client: Client) -> None:
    assert client.get("/").json == {
        "status": "alive",
        "graphs": ["classify", "divide", "fixed", "picky", "shout"],
    }
    assert client.get("/classify").json["status"] == "alive"
    assert client.get("/classify/v1/models").json == {"models": ["classify"]}
    assert client.get("/classify/v1/models/classify").json == {"name": "classify", "ready": True}
    assert client.get("/classify/v2").json["version"] == "0.0.0-test"
    assert client.get("/classify/v2/health/live").json == {"live": True}
    assert client.get("/classify/v2/health/ready").json == {"ready": True}
    assert client.get("/classify/v2/models/classify/ready").status == 200
    told = client.get("/classify/v2/models/classify").json
    assert told["inputs"] == [{"name": "x", "datatype": "FP32", "shape": [-1, 2]}]
    assert [(o["name"], o["datatype"]) for o in told["outputs"]] == [
        ("label", "INT64"),
        ("score", "FP64"),
    ]


def test_openapi_is_valid_and_its_example_works(client: Client) -> None:
    validator = pytest.importorskip("openapi_spec_validator")
    for name in ("classify", "divide", "shout", "fixed", "picky"):
        validator.validate(client.get(f"/{name}/openapi.json").json)
        assert b"<html" in client.get(f"/{name}/docs").body.lower()
    document = client.get("/classify/openapi.json").json
    operation = document["paths"][V1]["post"]
    (content,) = operation["requestBody"]["content"].values()
    example = content.get("example") or next(iter(content["examples"].values()))["value"]
    assert client.post(V1, example).status == 200


def test_head_is_get_without_a_body(client: Client) -> None:
    for path in ("/", "/classify", "/classify/v2/health/live", "/classify/openapi.json"):
        head, got = client.ask("HEAD", path), client.get(path)
        assert (head.status, head.body) == (200, b"")
        assert head.headers["content-length"] == got.headers["content-length"]
        assert head.headers["content-type"] == got.headers["content-type"]


def test_the_path_taken_is_told_on_request(client: Client) -> None:
    told = client.post("/shout", {"text": "hey"}, umbel_path="1")
    assert told.headers["umbel-path"] == "sound; switch=otherwise"
    assert "umbel-path" not in client.post("/shout", {"text": "hey"}).headers


def test_the_request_id_is_echoed_or_made(client: Client) -> None:
    assert client.get("/classify", x_request_id="mine-1").headers["x-request-id"] == "mine-1"
    assert client.get("/nowhere", x_request_id="mine-2").headers["x-request-id"] == "mine-2"
    made = {client.get("/").headers["x-request-id"] for _ in range(3)}
    assert len(made) == 3
    assert all(len(one) == 16 for one in made)
    assert len(client.get("/", x_request_id="n" * 5000).headers["x-request-id"]) == 200


# --- Mistakes of the client -------------------------------------------------------------------


@pytest.mark.parametrize(
    ("path", "body", "words"),
    [
        (V1, b"{", ["Unrecognized request format"]),
        (V1, b"", ["Unrecognized request format"]),
        (V1, b"\xff\xfe", ["Unrecognized request format"]),
        (V1, b"[" * 1900, ["Unrecognized request format"]),
        (V1, [1], ['"instances" or "inputs"', "got a list of 1"]),
        (V1, {"rows": 1}, ['"instances" or "inputs"', "got keys ['rows']"]),
        (V1, {"instances": 5}, ['"instances" to be a list']),
        (V1, {"instances": [[1, 2, 3]]}, ["input 'x'", "2", "3"]),
        (V1, {"instances": [1, 2]}, ["input 'x'", "expected", "got"]),
        (V1, {"instances": [[1, 2], [3]]}, ["input 'x'"]),
        (V1, {"instances": [["a", "b"]]}, ["input 'x'", "expected", "'a'"]),
        (V1, {"instances": [[None, 1]]}, ["input 'x'", "null"]),
        (V1, {"instances": [{"y": 1}]}, ["input 'x'"]),
        (V1, b'{"instances": [[NaN, 1]]}', ["Unrecognized request format"]),
        (V2, b"{", ["Unrecognized request format"]),
        (V2, {}, ["inputs"]),
        (V2, {"inputs": []}, ["expected one input tensor", "got none"]),
        (V2, {"inputs": [tensor("x", [[1, 2]], "FP99")]}, ["FP99", "datatype"]),
        (V2, {"inputs": [tensor("x", [[1, 2]], "FP64")]}, ["expected datatype FP32", "got FP64"]),
        (V2, {"inputs": [tensor("x", [["a", "b"]], "BYTES")]}, ["FP32", "BYTES"]),
        (V2, {"inputs": [tensor("x", [1, 2])]}, ["input 'x'", "[batch, 2]", "[2]"]),
        (V2, {"inputs": [tensor("x", [1, 2, 3], shape=[1, 2])]}, ["x", "2", "3"]),
        (V2, {"inputs": [{"name": "x"}]}, ["datatype"]),
        (V2, {"inputs": [tensor("x", [[1, 2]]), tensor("y", [[1, 2]])]}, ["['x']", "['x', 'y']"]),
        (
            V2,
            {"inputs": [tensor("x", [[1, 2]])], "outputs": [{"name": "odds"}]},
            ["odds", "label", "score"],
        ),
        ("/classify", b"nonsense", ["Unrecognized request format"]),
        ("/divide", {}, ["expected a JSON object with keys ['a', 'b']", "got an object"]),
        ("/divide", [1, 2], ["['a', 'b']", "got a list of 2"]),
        ("/divide", {"b": [1]}, ["['a', 'b']", "missing: ['a']"]),
        ("/divide", {"a": [1], "b": [1], "c": [1]}, ["unknown: ['c']"]),
        ("/divide", {"a": [1, 2], "b": [1, 2, 3]}, ["batch", "2", "3"]),
        ("/divide", {"a": "one"}, ["input 'a'", "expected shape [batch], got []"]),
        ("/divide/v2/models/divide/infer", {"inputs": [tensor("b", [1.0])]}, ["missing: ['a']"]),
        ("/divide/v1/models/divide:predict", {"instances": [{"b": 1}]}, ["missing: ['a']"]),
        ("/divide/v1/models/divide:predict", {"instances": [[1, 2]]}, ["keys ['a', 'b']"]),
        ("/shout", {"text": 5}, ["input 'text'", "expected a string", "got the number 5"]),
        ("/shout", {"text": "mute"}, ["expected something audible, got 'mute'"]),
        ("/picky", {"body": {"given": 1}}, ["expected 'wanted'", "got an object with keys"]),
        ("/picky", {"body": {"wanted": {}}}, ["mul does not work on"]),
    ],
)
def test_a_wrong_body_is_a_400_that_says_what_was_expected(
    client: Client, path: str, body: Any, words: list[str]
) -> None:
    answer = client.post(path, body, content_type="application/json", x_request_id="r400")
    assert answer.status == 400, answer.body
    for word in words:
        assert word in answer.error
    assert "Traceback" not in answer.error
    assert answer.headers["x-request-id"] == "r400"


@pytest.mark.parametrize(
    ("path", "words"),
    [
        ("/nowhere", "there is no graph 'nowhere' here; served: classify, divide, fixed, picky"),
        ("/nowhere/v2/models/nowhere/infer", "there is no graph 'nowhere'"),
        ("/classify/v1/models/other:predict", "Model with name other does not exist."),
        ("/classify/v2/models/other/infer", "Model with name other does not exist."),
        ("/classify/v2/modles", "no such path in 'classify'; there are: /, /docs"),
        ("/classify/../divide", "no such path"),
        ("/classify/v1/some/models", "no such path"),
        ("/%2e%2e/etc/passwd", "there is no graph"),
    ],
)
def test_what_does_not_exist_is_a_404_that_says_what_does(
    client: Client, path: str, words: str
) -> None:
    answer = client.post(path, {})
    assert answer.status == 404
    assert words in answer.error


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("GET", V1, "POST"),
        ("DELETE", V2, "POST"),
        ("PUT", "/classify", "GET, HEAD, POST"),
        ("POST", "/classify/v2/health/live", "GET, HEAD"),
        ("POST", "/classify/openapi.json", "GET, HEAD"),
    ],
)
def test_a_wrong_method_is_a_405(client: Client, method: str, path: str, allowed: str) -> None:
    answer = client.ask(method, path)
    assert answer.status == 405
    assert f"not {method}" in answer.error
    assert answer.headers["allow"] == allowed


def test_a_body_over_the_limit_is_a_413(client: Client) -> None:
    body = json.dumps({"instances": [[1, 2]] * 300}).encode()
    assert len(body) > 2000
    declared = client.post(V1, body)
    assert declared.status == 413
    assert f"the body has {len(body)} bytes, the limit is 2000" in declared.error
    chunked = client.post(V1, iter([body[i : i + 500] for i in range(0, len(body), 500)]))
    assert chunked.status == 413
    assert "the limit of 2000 bytes" in chunked.error


def test_a_chunked_body_within_the_limit_is_one_body(client: Client) -> None:
    answer = client.post(V1, iter([b'{"inst', b'ances": [[1', b", 3]]}"]))
    assert answer.json == {"predictions": [{"label": 1, "score": 3.0}]}


def test_versions_are_a_501(client: Client) -> None:
    assert client.post("/classify/v2/models/classify/versions/2/infer", {}).status == 501


def test_a_wrong_model_is_told_before_the_body_is_looked_at(client: Client) -> None:
    assert client.post("/classify/v2/models/other/infer", b"{").status == 404


# --- Our own --------------------------------------------------------------------------------


def test_a_node_that_raises_is_a_500_with_its_name_and_nothing_else(
    client: Client, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.ERROR):
        answer = client.post("/divide", {"a": [1], "b": [0]}, x_request_id="r500")
    assert answer.status == 500
    assert answer.error == "node 'ratio' failed (request r500)"
    assert answer.headers["x-request-id"] == "r500"
    assert "the secret cause" in caplog.text
    assert "Traceback" in caplog.text
    assert "r500" in caplog.text


def test_a_deadline_is_a_504() -> None:
    @transformer
    async def slow(x: int) -> int:
        import asyncio

        await asyncio.sleep(20)
        return x

    @inference_graph
    def patience(x):
        return slow(x)

    with serving(patience) as client:
        answer = client.post("/patience", {"x": 1}, x_request_timeout_seconds="0.05")
        assert answer.status == 504
        assert "no answer from 'patience' within 0.0" in answer.error
        for odd in ("soon", "nan", "-1", ""):
            assert client.post("/patience", {}, x_request_timeout_seconds=odd).status in (400, 504)


def test_a_fault_of_ours_is_a_500_that_the_log_explains(caplog: pytest.LogCaptureFixture) -> None:
    class Odd:
        pass

    @transformer
    def odd(x: int) -> Any:
        return Odd()

    @inference_graph
    def strange(x):
        return odd(x)

    with serving(strange) as client, caplog.at_level(logging.ERROR):
        answer = client.post("/strange", {"x": 1}, x_request_id="r9")
    assert answer.status == 500
    assert "Odd" in answer.error


def test_unloading_one_graph_does_not_disturb_another(client: Client) -> None:
    models = "/divide/v2/repository/models/divide"
    assert client.post(f"{models}/unload", {}).status == 200
    assert client.post("/divide", {"a": [1]}).status == 503
    assert client.get("/divide/v2/health/ready").status == 503
    assert client.get("/divide/v2/health/live").status == 200
    assert client.post("/shout", {"text": "a"}).status == 200
    assert client.post(f"{models}/load", {}).status == 200
    assert client.post("/divide", {"a": [1]}).json == {"output": [0.5]}
