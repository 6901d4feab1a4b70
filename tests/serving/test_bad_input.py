"""What no client should send: an answer in the protocol's form, never a 500, and life goes on."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from loopback_server import Answer, Client, serving
from umbel import Tensor, inference_graph, predictor
from umbel.graph.inference import infer
from umbel.graph.passes import plan
from umbel.graph.plan import Plan
from umbel.k8s.translate import translate
from umbel.nodes.request_context import RequestContext
from umbel.serving.graph_host import GraphHost
from umbel.serving.wire import Reply, WireRequest

Rows = Tensor["float32", "batch", 2]


@predictor
def same_rows(x: Rows) -> Rows:
    return x


@predictor
def same_value(x):
    return x


@inference_graph
def rows(x):
    return same_rows(x)


@inference_graph
def anything(x):
    return same_value(x)


@pytest.fixture(scope="module")
def client() -> Iterator[Client]:
    with serving(rows, anything) as served:
        yield served


@pytest.fixture(autouse=True)
def _still_alive(client: Client) -> Iterator[None]:
    yield
    assert client.post("/rows", [[1, 2]]).json == {"output": [[1.0, 2.0]]}


NESTED = [
    pytest.param(start * depth + b"1" + end * depth, id=f"{depth}{start.decode()[:1]}")
    for depth in (300, 1000, 100_000)
    for start, end in ((b"[", b"]"), (b'{"a":', b"}"))
]
"""JSON of many levels: some that a JSON library reads and cannot write, some that none reads."""

TENSOR = b'{"name":"x","datatype":"FP32","shape":[1,2],"data":[1,2]}'


@pytest.mark.parametrize("value", NESTED)
@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/rows/v1/models/rows:predict", b'{"instances":[%s]}'),
        ("/rows/v1/models/rows:predict", b"%s"),
        ("/rows", b'{"x":%s}'),
        ("/rows/v2/models/rows/infer", b'{"inputs":[%s]}'),
        (
            "/rows/v2/models/rows/infer",
            TENSOR.replace(b"[1,2]}", b"%s}").join([b'{"inputs":[', b"]}"]),
        ),
        (
            "/rows/v2/models/rows/infer",
            TENSOR.replace(b"[1,2],", b"%s,").join([b'{"inputs":[', b"]}"]),
        ),
    ],
)
def test_nesting_where_rows_are_expected(
    client: Client, path: str, body: bytes, value: bytes
) -> None:
    answer = client.post(path, body % value)
    assert answer.status == 400
    assert len(answer.error) < 500


@pytest.mark.parametrize("value", NESTED)
@pytest.mark.parametrize("path", ["/anything", "/anything/v1/models/anything:predict"])
def test_nesting_where_anything_goes(client: Client, path: str, value: bytes) -> None:
    body = b'{"instances":[%s]}' % value if "v1" in path else b'{"x":%s}' % value
    answer = client.post(path, body)
    if answer.status == 200:  # read, so it can be written, too
        assert value in answer.body
    else:
        assert answer.status == 400
        assert "depth limit" in answer.error


def tensor(**changes: Any) -> dict[str, Any]:
    return {"name": "x", "datatype": "FP32", "shape": [1, 2], "data": [1, 2], **changes}


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"shape": [2**40, 2**40]}, "a shape that fits memory"),
        ({"shape": [2**32, 2**32, 2**32]}, "a shape that fits memory"),
        ({"shape": [0, 2**62, 2**62], "data": []}, "a shape that fits memory"),
        ({"shape": [2**63, 2]}, "a shape that fits memory"),
        ({"shape": [-1, 2]}, "lengths of 0 or more"),
        ({"shape": [1] * 40}, "at most 32 dimensions"),
        ({"datatype": "FP128"}, "a datatype of BOOL"),
        ({"datatype": None}, "a datatype of BOOL"),
        ({"datatype": ["FP32"]}, "a datatype of BOOL"),
        ({"parameters": {"binary_data_size": 8}}, "got both"),
    ],
)
def test_tensors_that_cannot_be(client: Client, changes: dict[str, Any], words: str) -> None:
    answer = client.post("/rows/v2/models/rows/infer", {"inputs": [tensor(**changes)]})
    assert answer.status == 400
    assert words in answer.error


def binary(client: Client, size: object, data: bytes, length: str = "", **changes: Any) -> Answer:
    described = tensor(parameters={"binary_data_size": size}, **changes)
    del described["data"]
    head = json.dumps({"inputs": [described]}).encode()
    return client.post(
        "/rows/v2/models/rows/infer",
        head + data,
        inference_header_content_length=length or str(len(head)),
    )


@pytest.mark.parametrize(
    ("size", "data", "words"),
    [
        (8, b"\0" * 7, "expected 8 bytes of binary data"),
        (8, b"\0" * 9, "expected 8 bytes of binary data after the JSON"),
        (12, b"\0" * 12, "expected 8 bytes"),
        (4, b"\0" * 4, "expected 8 bytes"),
        (2**70, b"\0" * 8, "to be a size in bytes"),
        (-8, b"\0" * 8, "to be a size in bytes"),
        ("8", b"\0" * 8, "to be a size in bytes"),
        (8.5, b"\0" * 8, "to be a size in bytes"),
    ],
)
def test_sizes_that_do_not_match(client: Client, size: object, data: bytes, words: str) -> None:
    answer = binary(client, size, data)
    assert answer.status == 400
    assert words in answer.error


def test_binary_shapes_whose_product_overflows(client: Client) -> None:
    answer = binary(client, 8, b"\0" * 8, shape=[2**40, 2**40])
    assert answer.status == 400
    assert "a shape that fits memory" in answer.error


@pytest.mark.parametrize("length", ["99999999", "-1", "1e3", "0x10", str(2**80)])
def test_lengths_of_the_json_part(client: Client, length: str) -> None:
    answer = binary(client, 8, b"\0" * 8, length)
    assert answer.status == 400
    assert "Inference-Header-Content-Length" in answer.error


def test_strings_longer_than_their_data(client: Client) -> None:
    answer = binary(client, 8, b"\xff\xff\xff\xff\0\0\0\0", shape=[2], datatype="BYTES")
    assert answer.status == 400
    assert "expected 4294967295 bytes in element 0, got 4" in answer.error


def test_a_body_of_many_reads_is_no_head(client: Client) -> None:
    value = "x" * 300_000
    assert client.post("/anything", {"x": value}).json == {"output": value}


ENSEMBLE = """
apiVersion: serving.kserve.io/v1alpha1
kind: InferenceGraph
metadata: {name: both}
spec:
  nodes:
    root:
      routerType: Ensemble
      steps:
      - {serviceName: echo, name: one}
      - {serviceName: echo, name: two}
---
apiVersion: serving.kserve.io/v1beta1
kind: InferenceService
metadata: {name: echo}
spec:
  predictor:
    containers:
    - {name: kserve-container, image: none, command: [python, -m, "deep_echo:Echo"]}
"""


@pytest.mark.parametrize("depth", [890, 1000])
async def test_an_ensemble_passes_deep_json_on(tmp_path: Path, depth: int) -> None:
    (tmp_path / "deep_echo.py").write_text(
        "class Echo:\n    def predict(self, payload, headers=None):\n        return payload\n"
    )
    translated = translate([(str(tmp_path / "graph.yaml"), ENSEMBLE)])
    body = b'{"instances":' + b"[" * depth + b"]" * depth + b"}"
    reply = await _asked(plan(infer(translated.program)), body)
    assert (reply.status, reply.body) == (200, b'{"one":%s,"two":%s}' % (body, body))


async def _asked(planned: Plan, body: bytes) -> Reply:
    host = GraphHost(planned, "0.0.0-test")
    await host.start()
    try:
        endpoint = host.get("both")
        assert endpoint is not None
        return await endpoint.handle(WireRequest("POST", "", body, {}, RequestContext()))
    finally:
        await host.close()
