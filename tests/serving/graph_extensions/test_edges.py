"""``umbel.dev/edges``: V1 and V2 along the edges of a graph."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

STEPS = [
    {"call": "a", "name": "a"},
    {"call": "b", "name": "b", "data": "$response"},
]
REPLY = {
    "model_name": "a",
    "outputs": [
        {"name": "scores", "shape": [2, 2], "datatype": "FP32", "data": [0.1, 0.2, 0.3, 0.4]},
        {"name": "labels", "shape": [2], "datatype": "BYTES", "data": ["x", "y"]},
    ],
}


async def sent(serve: Any, services: Any, reply: Any, edge: dict[str, Any]) -> Any:
    """What the second step gets after the first one replied so."""
    services.answers |= {"a": lambda body: reply, "b": lambda body: body}
    graph = await serve({"root": ("Sequence", STEPS)}, {"edges": {"root.b": edge}})
    return await graph({"x": 1})


async def test_outputs_become_inputs_of_the_same_names(serve: Any, services: Any) -> None:
    status, body = await sent(serve, services, REPLY, {"protocol": "v2"})
    assert (status, body) == (200, {"inputs": REPLY["outputs"]})


@pytest.mark.parametrize(
    ("inputs", "expected"),
    [
        ({"IN": "labels"}, [("IN", 1)]),
        ({"IN0": 1, "IN1": "scores"}, [("IN0", 1), ("IN1", 0)]),
        (["IN0", "IN1"], [("IN0", 0), ("IN1", 1)]),
        ({"labels": None, "IN1": None}, [("labels", 1), ("IN1", 1)]),
    ],
)
async def test_inputs_are_mapped_by_name_or_position(
    serve: Any, services: Any, inputs: Any, expected: Any
) -> None:
    status, body = await sent(serve, services, REPLY, {"protocol": "v2", "inputs": inputs})
    items = [{**REPLY["outputs"][i], "name": name} for name, i in expected]  # type: ignore[index]
    assert (status, body) == (200, {"inputs": items})


@pytest.mark.parametrize(
    ("predictions", "datatype", "shape", "data"),
    [
        ([[1, 2], [3, 4]], "INT64", [2, 2], [1, 2, 3, 4]),
        ([[0.5, 2]], "FP64", [1, 2], [0.5, 2]),
        (["a", "b"], "BYTES", [2], ["a", "b"]),
        ([True], "BOOL", [1], [True]),
    ],
)
async def test_predictions_become_a_tensor(
    serve: Any, services: Any, predictions: Any, datatype: str, shape: Any, data: Any
) -> None:
    edge = {"protocol": "v2", "inputs": {"INPUT0": "output-0"}}
    status, body = await sent(serve, services, {"predictions": predictions}, edge)
    tensor = {"name": "INPUT0", "shape": shape, "datatype": datatype, "data": data}
    assert (status, body) == (200, {"inputs": [tensor]})


async def test_predictions_by_name_become_tensors(serve: Any, services: Any) -> None:
    rows = {"predictions": [{"a": 1, "b": [1.5]}, {"a": 2, "b": [2.5]}]}
    _, body = await sent(serve, services, rows, {"inputs": {"X": "b"}})
    assert body == {
        "inputs": [{"name": "X", "shape": [2, 1], "datatype": "FP64", "data": [1.5, 2.5]}]
    }


async def test_one_tensor_becomes_instances(serve: Any, services: Any) -> None:
    reply = {"outputs": REPLY["outputs"][:1]}  # type: ignore[index]
    _, body = await sent(serve, services, reply, {"protocol": "v1"})
    assert body["instances"] == [pytest.approx([0.1, 0.2]), pytest.approx([0.3, 0.4])]


async def test_several_tensors_become_instances_by_name(serve: Any, services: Any) -> None:
    edge = {"protocol": "v1", "inputs": {"text": "labels", "s": "scores"}}
    _, body = await sent(serve, services, REPLY, edge)
    assert body["instances"][1] == {"text": "y", "s": pytest.approx([0.3, 0.4])}


async def test_predictions_become_instances(serve: Any, services: Any) -> None:
    _, body = await sent(serve, services, {"predictions": [1, 2]}, {"protocol": "v1"})
    assert body == {"instances": [1, 2]}


@pytest.mark.parametrize(
    ("reply", "words"),
    [
        ({"error": "x"}, "got an object with ['error']"),
        (b"no JSON", "got no JSON"),
        ({"outputs": [{"name": "o", "shape": [1], "datatype": "FP32"}]}, "has no data"),
        ({"predictions": [[1, 2], [3]]}, "expected"),
        (REPLY, "wants the output 'nothing'"),
    ],
)
async def test_a_reply_that_does_not_fit_is_an_error_that_says_so(
    serve: Any, services: Any, reply: Any, words: str
) -> None:
    edge = {"protocol": "v2", "inputs": {"IN": "nothing"} if reply is REPLY else {}}
    status, body = await sent(serve, services, reply, edge)
    assert status == 500
    assert words in body["cause"]
    assert services.count("b") == 0


async def test_a_clients_body_that_does_not_fit_is_the_clients_mistake(
    serve: Any, services: Any
) -> None:
    services.answers["a"] = lambda body: body
    edges = {"root.a": {"protocol": "v2"}}
    graph = await serve({"root": ("Sequence", STEPS[:1])}, {"edges": edges})
    status, body = await graph({"x": 1})
    assert status == 400
    assert "the request cannot become a V2 request" in body["cause"]
    assert (await graph({"instances": [[1, 2]]}))[0] == 200


async def test_a_composed_body_is_converted(serve: Any, services: Any) -> None:
    services.answers |= {"a": lambda body: {"predictions": [0.5]}, "b": lambda body: body}
    graph = await serve(
        {"root": ("Sequence", STEPS)},
        {
            "inputs": {"root.b": {"instances": [["$request.x", "$a.predictions.0"]]}},
            "edges": {"root.b": {"protocol": "v2"}},
        },
    )
    _, body = await graph({"x": 2})
    (tensor,) = body["inputs"]
    assert (tensor["shape"], tensor["data"]) == ([1, 2], [2, 0.5])


async def test_a_service_of_the_same_files_is_spoken_to_in_v2(
    serve: Any, services: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "v2_echo_model.py").write_text(
        "class Echo:\n    def predict(self, payload):\n        return {'got': payload}\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.chdir(tmp_path)
    service = """
apiVersion: serving.kserve.io/v1beta1
kind: InferenceService
metadata: {name: echo, annotations: {umbel.dev/predictor-class: "v2_echo_model:Echo"}}
spec: {predictor: {containers: [{name: c, image: none}]}}
"""
    services.answers["a"] = lambda body: {"predictions": [1.5]}
    steps = [STEPS[0], {"name": "b", "serviceName": "echo", "data": "$response"}]
    graph = await serve(
        {"root": ("Sequence", steps)}, {"edges": {"root.b": {"inputs": ["X"]}}}, service
    )
    status, body = await graph({})
    tensor = {"name": "X", "shape": [1], "datatype": "FP64", "data": [1.5]}
    assert (status, body) == (200, {"got": {"inputs": [tensor]}})
