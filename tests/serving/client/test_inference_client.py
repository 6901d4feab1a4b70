"""The data plane's client against umbel itself, over V1, V2 and gRPC."""

from __future__ import annotations

import concurrent.futures
import time
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from loopback_grpc import serving_grpc
from loopback_server import Client, serving
from umbel import (
    AsyncInferenceClient,
    DeadlineExceeded,
    DeclarationError,
    InferenceClient,
    InvalidInput,
    NotFound,
    Retry,
    Tensor,
    UmbelError,
    inference_graph,
    predictor,
)
from umbel.graph.errors import NotImplementedHere, UpstreamAnswered
from umbel.nodes.request_context import current_request

Rows = Tensor["float64", "batch", 2]
One = Tensor["float64", 1]


@predictor
def halve(x: Rows) -> Rows:
    if x.size and x[0, 0] == -1:
        raise InvalidInput("x: expected no -1")
    if x.size and x[0, 0] == -2:
        raise ZeroDivisionError("the secret cause")
    return x / 2


@inference_graph
def halves(x: Rows) -> Rows:
    return halve(x)


@predictor
def remain(x: Rows) -> One:
    left = current_request().remaining()
    return np.array([-1.0 if left is None else left])


@inference_graph
def waiting(x: Rows) -> One:
    return remain(x)


@predictor
def greet(name: str, times: int) -> str:
    return " ".join([f"hello {name}"] * times)


@inference_graph
def greeter(name: str, times: int) -> str:
    return greet(name, times)


@pytest.fixture(scope="module")
def server() -> Iterator[Client]:
    with serving(halves, waiting, greeter) as client:
        yield client


@pytest.fixture()
def client(server: Client) -> Iterator[InferenceClient]:
    with InferenceClient(f"http://127.0.0.1:{server.port}/halves") as one:
        yield one


@pytest.mark.parametrize("binary", [True, False])
def test_arrays_in_and_out(client: InferenceClient, binary: bool) -> None:
    result = client.infer({"x": np.array([[1.0, 3.0]])}, binary=binary, id="seven")
    assert result.array.tolist() == [[0.5, 1.5]]
    assert result.array.dtype == np.float64
    assert (result.model_name, result.id) == ("halves", "seven")
    assert list(result) == list(result.outputs)
    with pytest.raises(NotFound, match="there is no output 'nope'; there are"):
        result["nope"]


def test_one_array_finds_its_input(client: InferenceClient) -> None:
    assert client.infer(np.array([[2.0, 4.0]])).array.tolist() == [[1.0, 2.0]]
    assert [one["name"] for one in client.metadata()["inputs"]] == ["x"]


def test_several_inputs_are_named(server: Client) -> None:
    with InferenceClient(f"http://127.0.0.1:{server.port}/greeter") as greeting:
        with pytest.raises(InvalidInput, match=r"greeter has .*name.*times.*: give arrays by name"):
            greeting.infer(np.array([1]))
        told = greeting.infer({"name": np.array(["Ada"]), "times": np.array([2])})
        assert told.array.tolist() == ["hello Ada hello Ada"]


def test_v1_and_the_graph_itself(client: InferenceClient) -> None:
    assert client.predict([[1.0, 3.0]]) == [[0.5, 1.5]]
    assert client.predict(np.array([[1.0, 3.0]])) == [[0.5, 1.5]]
    assert client.call({"instances": [[1.0, 3.0]]}) is not None
    with pytest.raises(UmbelError):
        client.explain([[1.0, 3.0]])


def test_health(client: InferenceClient) -> None:
    assert client.is_server_live()
    assert client.is_server_ready()
    assert client.is_model_ready()
    with pytest.raises(NotFound):
        client.is_model_ready("other")


def test_errors_are_the_servers(client: InferenceClient) -> None:
    with pytest.raises(InvalidInput, match="expected no -1"):
        client.infer({"x": np.array([[-1.0, 0]])})
    with pytest.raises(InvalidInput):
        client.infer({"x": np.array([["a", "b"]])})
    with pytest.raises(UpstreamAnswered, match="halve") as failed:
        client.predict([[-2.0, 0]])
    assert failed.value.code == 500
    with pytest.raises(NotFound, match="Model with name other does not exist"):
        client.infer({"x": np.array([[1.0, 2.0]])}, model="other")


def test_what_cannot_be_sent(client: InferenceClient) -> None:
    with pytest.raises(InvalidInput, match="input 'x': expected an array"):
        client.infer({"x": [[1.0], [2.0, 3.0]]})
    with pytest.raises(InvalidInput, match="no datatype in the Open Inference Protocol"):
        client.infer({"x": np.array([1j])})
    with pytest.raises(InvalidInput, match="at least one input"):
        client.infer({})
    with pytest.raises(InvalidInput, match="no JSON form"):
        client.predict([object()])


def test_the_deadline_travels(server: Client) -> None:
    with InferenceClient(f"http://127.0.0.1:{server.port}/waiting", timeout_s=30) as client:
        rows = {"x": np.array([[1.0, 2.0]])}
        assert 25 < float(client.infer(rows).array[0]) <= 30
        assert 3 < float(client.infer(rows, timeout_s=5).array[0]) <= 5
    with InferenceClient(f"http://127.0.0.1:{server.port}/waiting", timeout_s=None) as client:
        assert float(client.infer(rows).array[0]) == -1


def test_threads_share_a_client(client: InferenceClient) -> None:
    def once(number: int) -> bool:
        return client.infer({"x": np.full((1, 2), 2.0 * number)}).array.tolist() == [[number] * 2]

    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        assert all(pool.map(once, range(64)))


@settings(max_examples=25, deadline=None)
@given(
    arrays.arrays(
        np.float64, st.tuples(st.integers(1, 4), st.just(2)), elements=st.floats(width=64)
    )
)
def test_every_number_arrives(array: np.ndarray[Any, Any]) -> None:
    """Binary tensors keep NaN and infinities, too."""
    from umbel.serving.client.inference_result import result_of
    from umbel.serving.client.request_building import infer_request
    from umbel.serving.protocols.payload import InferResponse
    from umbel.serving.protocols.v2 import decode_infer_request, encode_infer_request

    body, headers = encode_infer_request(
        infer_request({"x": array}, (), None, "", True), binary=True
    )
    read = decode_infer_request(
        body, headers["content-type"], headers["inference-header-content-length"]
    )
    result = result_of(InferResponse("m", read.inputs))
    assert result.array.tobytes() == array.tobytes()


@pytest.mark.parametrize(
    "url", ["halves", "ftp://host/x", "grpc://host/x", "http://", "http://h:x/"]
)
def test_an_address_that_is_none(url: str) -> None:
    with pytest.raises(DeclarationError, match=r"expected http\(s\)://host"):
        InferenceClient(url)


def test_a_url_without_a_model(server: Client) -> None:
    with (
        InferenceClient(f"http://127.0.0.1:{server.port}") as client,
        pytest.raises(DeclarationError, match="names no model"),
    ):
        client.predict([1])


def test_a_closed_client_says_so() -> None:
    client = InferenceClient("http://127.0.0.1:9/x")
    client.close()
    client.close()
    with pytest.raises(RuntimeError, match="closed"):
        client.is_server_live()


async def test_over_grpc() -> None:
    pytest.importorskip("grpc")
    async with (
        serving_grpc(halves, waiting, greeter) as server,
        AsyncInferenceClient(f"grpc://127.0.0.1:{server.port}/halves", timeout_s=20) as client,
    ):
        assert (await client.infer(np.array([[1.0, 3.0]]))).array.tolist() == [[0.5, 1.5]]
        assert await client.is_server_live()
        assert await client.is_server_ready()
        assert await client.is_model_ready()
        left = await client.infer(np.array([[1.0, 3.0]]), model="waiting")
        assert 10 < float(left.array[0]) <= 20
        texts = {"name": np.array(["Ada"]), "times": np.array([1])}
        assert (await client.infer(texts, model="greeter")).array.tolist() == ["hello Ada"]
        with pytest.raises(InvalidInput, match="expected no -1"):
            await client.infer({"x": np.array([[-1.0, 0]])})
        with pytest.raises(NotFound):
            await client.infer({"x": np.array([[1.0, 0]])}, model="other")
        with pytest.raises(NotImplementedHere, match="use an http:// URL"):
            await client.predict([[1.0, 2.0]])


async def test_nobody_over_grpc() -> None:
    pytest.importorskip("grpc")
    retry = Retry(attempts=2, backoff_ms=1)
    begun = time.monotonic()
    async with AsyncInferenceClient("grpc://127.0.0.1:9/x", retry=retry, timeout_s=5) as client:
        assert not await client.is_server_live()
        with pytest.raises(UmbelError, match="does not answer") as failed:
            await client.infer({"x": np.array([1.0])})
        assert not isinstance(failed.value, DeadlineExceeded)
    assert time.monotonic() - begun < 5
