"""What stock Triton clients ask beyond the protocol: compressed bodies, classes, BF16, the model's
configuration; and a plain answer for what is not there."""

from __future__ import annotations

import asyncio
import gzip
import json
import threading
import zlib
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

pytest.importorskip("tritonclient")
import tritonclient.grpc as triton_grpc
import tritonclient.http as triton_http
from tritonclient.utils import InferenceServerException

from loopback_grpc import serving_grpc
from loopback_server import Client, serving
from umbel import Tensor, inference_graph, predictor
from umbel.serving import content_encoding
from umbel.serving.protocols.binary_tensors import tensor_from_bytes

ROWS = np.array([[0.1, 0.7, 0.2], [3.0, 2.0, 1.0]], np.float32)


Rows = Tensor["float32", "batch", 3]


@predictor
def halve(x: Rows) -> Rows:
    return x / 2


@inference_graph
def halves(x: Rows) -> Rows:
    return halve(x)


@pytest.fixture(scope="module")
def client() -> Iterator[Client]:
    with serving(halves) as found:
        yield found


@pytest.fixture(scope="module")
def http(client: Client) -> Iterator[Any]:
    with triton_http.InferenceServerClient(f"127.0.0.1:{client.port}/halves") as found:
        yield found


@pytest.fixture(scope="module")
def grpc() -> Iterator[Any]:
    """The server runs on a loop of its own thread: the client blocks."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()
    opened = serving_grpc(halves)
    target = asyncio.run_coroutine_threadsafe(opened.__aenter__(), loop).result(20)
    try:
        with triton_grpc.InferenceServerClient(f"127.0.0.1:{target.port}") as found:
            yield found
    finally:
        asyncio.run_coroutine_threadsafe(opened.__aexit__(None, None, None), loop).result(20)
        loop.call_soon_threadsafe(loop.stop)
        thread.join(20)
        loop.close()


def tensor(module: Any, datatype: str = "FP32", rows: Any = ROWS) -> Any:
    given = module.InferInput("x", list(rows.shape), datatype)
    given.set_data_from_numpy(rows)
    return given


@pytest.mark.parametrize("encoding", ["gzip", "deflate"])
def test_compressed_requests(http: Any, encoding: str) -> None:
    answer = http.infer(
        "halves", [tensor(triton_http)], request_compression_algorithm=encoding,
        response_compression_algorithm=encoding,
    )  # fmt: skip
    np.testing.assert_array_equal(answer.as_numpy("output-0"), ROWS / 2)


RAW = zlib.compressobj(wbits=-15)
BODY = json.dumps({"instances": ROWS.tolist()}).encode()


@pytest.mark.parametrize(
    ("body", "encoding", "text"),
    [
        (gzip.compress(BODY, mtime=0)[:-4], "gzip", "ends too early"),
        (gzip.compress(BODY, mtime=0) + b"x", "gzip", "more behind it"),
        (BODY, "gzip", "no complete gzip data"),
        (BODY, "deflate", "no complete deflate data"),
        (BODY, "br", "gzip, deflate or none"),
    ],
)
def test_damaged_and_unknown_encodings_are_refused(
    client: Client, body: bytes, encoding: str, text: str
) -> None:
    headers = {"content-encoding": encoding}
    answer = client.ask("POST", "/halves/v1/models/halves:predict", body, headers)
    assert answer.status == 400
    assert text in answer.error


def test_raw_deflate_and_large_bodies(client: Client) -> None:
    rows = np.arange(90_000, dtype=np.float64).reshape(-1, 3)
    plain = json.dumps({"instances": rows.tolist()}).encode()
    for body in (RAW.compress(plain) + RAW.flush(), zlib.compress(plain, 0)):
        headers = {"content-encoding": "deflate"}
        answer = client.ask("POST", "/halves/v1/models/halves:predict", body, headers)
        np.testing.assert_allclose(answer.json["predictions"], rows / 2)


def test_a_small_body_does_not_become_a_large_one(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(content_encoding, "MOST", 10_000)
    body = gzip.compress(b" " * 10_000_000)
    headers = {"content-encoding": "gzip"}
    answer = client.ask("POST", "/halves/v1/models/halves:predict", body, headers)
    assert answer.status == 413


def test_the_highest_classes(http: Any, grpc: Any) -> None:
    expected = [[b"0.350000:1", b"0.100000:2"], [b"1.500000:0", b"1.000000:1"]]
    for client, module in ((http, triton_http), (grpc, triton_grpc)):
        asked = module.InferRequestedOutput("output-0", class_count=2)
        answer = client.infer("halves", [tensor(module)], outputs=[asked])
        assert answer.as_numpy("output-0").tolist() == expected


@pytest.mark.parametrize("count", [0, -1, "2", 1.5, None, True])
def test_a_number_of_classes_that_is_none(client: Client, count: object) -> None:
    given = {"name": "x", "shape": [1, 3], "datatype": "FP32", "data": [1, 2, 3]}
    output = {"name": "output-0", "parameters": {"classification": count}}
    answer = client.post("/halves/v2/models/halves/infer", {"inputs": [given], "outputs": [output]})
    assert answer.status == (200 if count is None else 400)


def test_bf16_is_taken_as_the_fp32_it_stands_for(http: Any, grpc: Any) -> None:
    rows = ROWS.astype(pytest.importorskip("ml_dtypes").bfloat16)
    for client, module in ((http, triton_http), (grpc, triton_grpc)):
        answer = client.infer("halves", [tensor(module, "BF16", rows)])
        np.testing.assert_array_equal(answer.as_numpy("output-0"), rows.astype(np.float32) / 2)


@given(st.lists(st.floats(width=32), max_size=20))
def test_bf16_is_the_upper_half_of_fp32(values: list[float]) -> None:
    bits = np.array(values, np.float32).view(np.uint32) & 0xFFFF0000
    halves = (bits >> 16).astype("<u2").tobytes()
    found = tensor_from_bytes(memoryview(halves), "BF16", (len(values),), "x")
    assert found.dtype == np.float32
    np.testing.assert_array_equal(found.view(np.uint32), bits)


def test_the_configuration_of_a_model(http: Any) -> None:
    found = http.get_model_config("halves")
    assert found["input"] == [{"name": "x", "data_type": "TYPE_FP32", "dims": [-1, 3]}]
    assert found["output"] == [{"name": "output-0", "data_type": "TYPE_FP32", "dims": [-1, 3]}]


ABSENT = {
    "statistics": lambda c: c.get_inference_statistics("halves"),
    "all statistics": lambda c: c.get_inference_statistics(),
    "trace": lambda c: c.get_trace_settings(),
    "log": lambda c: c.get_log_settings(),
    "memory": lambda c: c.get_system_shared_memory_status(),
    "register": lambda c: c.register_system_shared_memory("a", "/a", 10),
    "cuda": lambda c: c.get_cuda_shared_memory_status(),
}


@pytest.mark.parametrize("name", ABSENT)
def test_what_is_not_there_says_what_to_do(http: Any, grpc: Any, name: str) -> None:
    for client, status in ((http, "501"), (grpc, "StatusCode.UNIMPLEMENTED")):
        with pytest.raises(InferenceServerException) as caught:
            ABSENT[name](client)
        assert caught.value.status() == status
        assert caught.value.message().startswith(("umbel ", "the log's"))
