"""``protocol: grpc-v2``: a step that is a model of a gRPC server."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest

from umbel import Tensor, inference_graph, transformer
from umbel.graph.inference import infer
from umbel.graph.passes import plan
from umbel.serving.graph_host import GraphHost

pytest.importorskip("grpc")

from umbel.serving.grpc_protocol.front import Front
from umbel.serving.grpc_protocol.hosted_models import HostedModels
from umbel.serving.grpc_protocol.server import GrpcServer


@transformer
def double(x: Tensor[float64, batch, 2]) -> Tensor[float64, batch, 2]:
    return x * 2


@inference_graph
def doubled(x):  # type: ignore[no-untyped-def]
    return double(x)


@pytest.fixture()
async def address() -> AsyncIterator[str]:
    """A gRPC server with the model ``doubled``."""
    host = GraphHost(plan(infer(doubled.program())), "test")
    await host.start()
    front = Front(HostedModels(host), "test")
    server = GrpcServer(front, host="127.0.0.1", port=0, message_limit=2**20)
    await server.start()
    yield server.url
    await server.stop(0)
    await host.close()


def steps(url: str) -> dict[str, Any]:
    first = {"name": "a", "call": "a"}
    return {"root": ("Sequence", [first, {"name": "b", "serviceUrl": url, "data": "$response"}])}


EDGES = {"edges": {"root.b": {"protocol": "grpc-v2", "inputs": {"x": "output-0"}}}}


async def test_predictions_go_to_a_grpc_model(serve: Any, services: Any, address: str) -> None:
    services.answers["a"] = lambda body: {"predictions": [[1.5, 2.0]]}
    graph = await serve(steps(f"{address}/doubled"), EDGES)
    status, body = await graph({})
    assert status == 200
    (tensor,) = body["outputs"]
    assert (tensor["shape"], tensor["data"]) == ([1, 2], [3.0, 4.0])


async def test_a_model_that_is_not_there(serve: Any, services: Any, address: str) -> None:
    services.answers["a"] = lambda body: {"predictions": [[1.5, 2.0]]}
    graph = await serve(steps(f"{address}/other"), EDGES)
    status, body = await graph({})
    assert status == 404
    assert "other" in body["error"]


async def test_a_dead_server_is_tried_again(serve: Any, services: Any) -> None:
    services.answers["a"] = lambda body: {"predictions": [[1.5, 2.0]]}
    retries = {"retries": {"root.b": {"attempts": 2, "backoffMs": 1}}}
    graph = await serve(steps("grpc://127.0.0.1:1/m"), EDGES | retries)
    reply = await graph.reply({})
    assert reply.status == 500
    assert b"grpc://127.0.0.1:1/m" in reply.body
