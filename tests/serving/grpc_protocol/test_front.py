"""What Triton's own client gets from graphs over gRPC: answers, metadata, and every mistake."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from typing import Any

import numpy as np
import pytest

from umbel import Tensor, inference_graph, predictor, transformer
from umbel.graph.errors import InvalidInput
from umbel.nodes.request_context import current_request

pytest.importorskip("grpc")
triton = pytest.importorskip("tritonclient.grpc.aio")

from loopback_grpc import serving_grpc  # noqa: E402
from umbel.serving.port_claim import PortTaken  # noqa: E402

Rows = Tensor["float32", "batch", 2]
Halves = Tensor["float16", "batch", 2]

started = asyncio.Event()
cancelled = asyncio.Event()


@transformer
def doubled(x: Rows) -> Rows:
    return x * 2


@transformer
def halved(x: Rows) -> Halves:
    return (x / 2).astype(np.float16)


@predictor
def broken(x: Rows) -> Rows:
    if x[0, 0] < 0:
        raise InvalidInput("x: expected no negative numbers")
    raise ZeroDivisionError("the secret cause")


@predictor
async def slow(x: Rows) -> Rows:
    started.set()
    try:
        await asyncio.sleep(float(x[0, 0]))
    except asyncio.CancelledError:
        cancelled.set()
        raise
    return x


@predictor
def told(x: Rows) -> str:
    return current_request().headers.get("x-tenant", "nobody")


@inference_graph
def double(x):
    return doubled(x)


@inference_graph
def half(x):
    return halved(x)


@inference_graph
def breaks(x):
    return broken(x)


@inference_graph
def waits(x):
    return slow(x)


@inference_graph
def tells(x):
    return told(x)


@pytest.fixture()
async def client() -> AsyncIterator[Any]:
    async with serving_grpc(double, half, breaks, waits, tells) as server:
        connected = triton.InferenceServerClient(f"127.0.0.1:{server.port}")
        yield connected
        await connected.close()


def rows(array: Any, datatype: str = "FP32") -> list[Any]:
    array = np.asarray(array, "float32")
    given = triton.InferInput("x", list(array.shape), datatype)
    given.set_data_from_numpy(array)
    return [given]


async def refused(call: Any) -> tuple[str, str]:
    with pytest.raises(triton.InferenceServerException) as raised:
        await call
    return raised.value.status().removeprefix("StatusCode."), raised.value.message()


# --- Answers --------------------------------------------------------------------------------


async def test_raw_in_raw_out(client: Any) -> None:
    result = await client.infer("double", rows([[1, 2]]), request_id="7")
    response = result.get_response()
    assert (response.model_name, response.id) == ("double", "7")
    assert len(response.raw_output_contents) == 1
    assert result.as_numpy("output-0").tolist() == [[2, 4]]


async def test_contents_in_contents_out(client: Any) -> None:
    given = rows([[1, 2]])
    given[0]._raw_content = None
    given[0]._get_tensor().contents.fp32_contents.extend([1, 2])
    result = await client.infer("double", given)
    assert not result.get_response().raw_output_contents
    assert list(result.get_response().outputs[0].contents.fp32_contents) == [2, 4]
    assert (await client.infer("half", given)).as_numpy("output-0").dtype == np.float16


async def test_health_metadata_and_index(client: Any) -> None:
    assert await client.is_server_live()
    assert await client.is_server_ready()
    assert await client.is_model_ready("double")
    server = await client.get_server_metadata()
    assert (server.name, server.version) == ("umbel", "0.0.0-test")
    assert list(server.extensions) == ["model_repository_extension"]
    model = await client.get_model_metadata("double")
    assert [(p.name, p.datatype, list(p.shape)) for p in model.inputs] == [("x", "FP32", [-1, 2])]
    assert model.outputs[0].name == "output-0"
    index = await client.get_model_repository_index()
    assert [(m.name, m.state) for m in index.models] == [
        (name, "READY") for name in ("breaks", "double", "half", "tells", "waits")
    ]


async def test_a_model_is_unloaded_and_loaded(client: Any) -> None:
    await client.unload_model("double")
    assert not await client.is_model_ready("double")
    assert not await client.is_server_ready()
    refusal = await refused(client.infer("double", rows([[1, 2]])))
    assert refusal == ("UNAVAILABLE", "Model with name double is not ready.")
    assert (await client.infer("half", rows([[1, 2]]))).as_numpy("output-0") is not None
    await client.load_model("double")
    assert await client.is_server_ready()


async def test_metadata_are_headers_and_the_path_is_told(client: Any) -> None:
    asked = {"x-tenant": "seven", "x-request-id": "r1", "umbel-path": "1"}
    result = await client.infer("tells", rows([[1, 2]]), headers=asked)
    assert result.as_numpy("output-0").tolist() == [b"seven"]
    call = client._client_stub.ModelInfer(
        triton.service_pb2.ModelInferRequest(model_name="none"), metadata=tuple(asked.items())
    )
    assert ("x-request-id", "r1") in tuple(await call.trailing_metadata())


async def test_a_stream_answers_each_request_in_turn(client: Any) -> None:
    async def requests() -> AsyncIterator[dict[str, Any]]:
        for model, value in (("double", 1), ("nobody", 2), ("double", 3)):
            yield {"model_name": model, "inputs": rows([[value, value]])}

    got = [
        error.message() if error else result.as_numpy("output-0").tolist()
        async for result, error in client.stream_infer(requests())
    ]
    assert got == [[[2, 2]], "Model with name nobody does not exist.", [[6, 6]]]


# --- Mistakes ---------------------------------------------------------------------------------


async def test_an_unknown_model(client: Any) -> None:
    refusal = ("NOT_FOUND", "Model with name nobody does not exist.")
    assert await refused(client.infer("nobody", rows([[1, 2]]))) == refusal
    assert await refused(client.get_model_metadata("nobody")) == refusal
    assert await refused(client.is_model_ready("nobody")) == refusal


async def test_a_method_of_tritons_that_umbel_has_not(client: Any) -> None:
    assert (await refused(client.get_model_config("double")))[0] == "UNIMPLEMENTED"


async def test_the_clients_mistakes(client: Any) -> None:
    code, text = await refused(client.infer("double", rows([[1, 2, 3]])))
    assert code == "INVALID_ARGUMENT"
    assert "'x'" in text
    unknown = [triton.InferRequestedOutput("z")]
    code, text = await refused(client.infer("double", rows([[1, 2]]), outputs=unknown))
    assert (code, "'z'" in text) == ("INVALID_ARGUMENT", True)
    code, text = await refused(client.infer("breaks", rows([[-1, 2]])))
    assert (code, text) == ("INVALID_ARGUMENT", "x: expected no negative numbers")


async def test_a_node_that_fails_shows_its_name_only(client: Any) -> None:
    headers = {"x-request-id": "r7"}
    code, text = await refused(client.infer("breaks", rows([[1, 2]]), headers=headers))
    assert (code, text) == ("INTERNAL", "node 'broken' failed (request r7)")


async def test_bytes_that_are_no_message(client: Any) -> None:
    call = client._channel.unary_unary("/inference.GRPCInferenceService/ModelInfer")
    with pytest.raises(triton.grpc.aio.AioRpcError) as raised:
        await call(b"\xff\xff")
    assert raised.value.code().name == "INVALID_ARGUMENT"
    assert "expected a serialized inference." in raised.value.details()


async def test_the_deadline_travels(client: Any) -> None:
    start = time.monotonic()
    code, _ = await refused(client.infer("waits", rows([[5, 0]]), client_timeout=0.3))
    assert code == "DEADLINE_EXCEEDED"
    await asyncio.wait_for(cancelled.wait(), 2)
    assert time.monotonic() - start < 2


async def test_a_message_over_the_limit() -> None:
    async with serving_grpc(double, message_limit=10_000) as server:
        client = triton.InferenceServerClient(f"127.0.0.1:{server.port}")
        assert (await client.infer("double", rows(np.ones((1000, 2))))) is not None
        code, _ = await refused(client.infer("double", rows(np.ones((2000, 2)))))
        assert code == "RESOURCE_EXHAUSTED"
        await client.close()


# --- The server -------------------------------------------------------------------------------


async def test_a_taken_port_is_refused() -> None:
    async with serving_grpc(double) as server:
        with pytest.raises(PortTaken, match=f"port {server.port} on 127.0.0.1 .* --grpc-port"):
            async with serving_grpc(double, port=server.port):
                pass


async def test_stopping_lets_calls_end(client: Any) -> None:
    async with serving_grpc(waits) as server:
        started.clear()
        other = triton.InferenceServerClient(f"127.0.0.1:{server.port}")
        running = asyncio.create_task(other.infer("waits", rows([[0.5, 0]])))
        await started.wait()
        await server.stop(10)
        assert (await running).as_numpy("output-0").tolist() == [[0.5, 0]]
        late = triton.InferenceServerClient(f"127.0.0.1:{server.port}")
        assert (await refused(late.infer("waits", rows([[0, 0]]))))[0] == "UNAVAILABLE"
        await other.close()
        await late.close()
