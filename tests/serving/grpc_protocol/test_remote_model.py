"""A model of another server as a node: tensors or V2 JSON go out, errors keep their meaning."""

from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import AsyncIterator

import numpy as np
import pytest

from umbel import Tensor, inference_graph, predictor
from umbel.graph.errors import (
    DeclarationError,
    InvalidInput,
    RequestFailed,
    UpstreamAnswered,
)
from umbel.graph.implementations import RemoteService
from umbel.nodes.messages import Message
from umbel.nodes.request_context import RequestContext, current_request, enter
from umbel.serving.protocols.datatypes import tensor_of
from umbel.serving.protocols.payload import InferRequest

pytest.importorskip("grpc")

from loopback_grpc import serving_grpc
from umbel.serving.grpc_protocol.remote_model import RemoteModel

Row = Tensor["float32", "batch"]


@predictor
async def work(x: Row) -> Row:
    if x[0] < 0:
        raise InvalidInput("x: expected no negative numbers")
    await asyncio.sleep(float(x[0]))
    return x * 2


@predictor
def tenant(x: Row) -> str:
    headers = current_request().headers
    return f"{headers.get('x-tenant')} {headers.get('x-secret')}"


@inference_graph
def works(x):
    return work(x)


@inference_graph
def tenants(x):
    return tenant(x)


@pytest.fixture()
async def port() -> AsyncIterator[int]:
    async with serving_grpc(works, tenants) as server:
        yield server.port


@pytest.fixture()
async def model(port: int) -> AsyncIterator[RemoteModel]:
    caller = RemoteModel(RemoteService(f"grpc://127.0.0.1:{port}/works", timeout_s=5))
    enter(RequestContext())
    yield caller
    await caller.close()


def request(*values: float) -> InferRequest:
    return InferRequest((tensor_of("x", np.array(values, "float32")),), id="7")


def body(*values: float, datatype: str = "FP32") -> Message:
    tensor = {"name": "x", "shape": [len(values)], "datatype": datatype, "data": values}
    return Message(json.dumps({"inputs": [tensor]}).encode())


async def test_tensors(model: RemoteModel) -> None:
    response = await model.infer(request(0, 2))
    assert (response.model_name, response.id) == ("works", "7")
    assert response.outputs[0].array.tolist() == [0, 4]


async def test_v2_json_as_over_http(model: RemoteModel) -> None:
    reply = await model.post(body(0, 2))
    assert (reply.status, reply.content_type) == (200, "application/json")
    assert json.loads(reply.body)["outputs"][0]["data"] == [0, 4]


async def test_an_error_keeps_its_status(model: RemoteModel, port: int) -> None:
    with pytest.raises(UpstreamAnswered) as raised:
        await model.infer(request(-1))
    assert (raised.value.code, json.loads(raised.value.body)) == (
        400,
        {"error": "x: expected no negative numbers"},
    )
    assert (await model.post(body(-1))).status == 400
    nobody = RemoteModel(RemoteService(f"grpc://127.0.0.1:{port}/nobody"))
    assert (await nobody.post(body(1))).status == 404
    await nobody.close()


async def test_a_body_that_is_no_v2_request(model: RemoteModel) -> None:
    reply = await model.post(Message(b'{"instances": [1]}'))
    assert reply.status == 400
    assert "inputs" in json.loads(reply.body)["error"]


async def test_the_shorter_limit_counts(port: int) -> None:
    quick = RemoteModel(RemoteService(f"grpc://127.0.0.1:{port}/works", timeout_s=0.1))
    enter(RequestContext())
    with pytest.raises(RequestFailed, match="/works: timed out"):
        await quick.infer(request(5))
    await quick.close()


async def test_only_headers_that_are_listed_travel(port: int) -> None:
    service = RemoteService(f"grpc://127.0.0.1:{port}/tenants", forward_headers=("^X-Tenant$",))
    caller = RemoteModel(service)
    enter(RequestContext(header_list=(("x-tenant", "seven"), ("x-secret", "no"))))
    response = await caller.infer(request(1))
    assert response.outputs[0].array.tolist() == [b"seven None"]
    await caller.close()


async def test_no_server_and_then_one() -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    caller = RemoteModel(RemoteService(f"grpc://127.0.0.1:{port}/works"))
    enter(RequestContext())
    with pytest.raises(RequestFailed, match=f"grpc://127.0.0.1:{port}/works: UNAVAILABLE"):
        await caller.infer(request(0))
    async with serving_grpc(works, port=port):
        await asyncio.sleep(0.3)
        assert (await caller.infer(request(0))).outputs[0].array.tolist() == [0]
    await caller.close()


@pytest.mark.parametrize(
    "url", ["grpc://host/model", "grpc://host:81", "grpc://host:81/a/b", "grpc://h:port/m", "x"]
)
def test_an_url_without_port_or_model(url: str) -> None:
    with pytest.raises(DeclarationError, match="expected grpc://host:port/model"):
        RemoteModel(RemoteService(url))
