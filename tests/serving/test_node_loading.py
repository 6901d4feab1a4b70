"""A service at a grpc:// address is called over gRPC, any other over HTTP."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from umbel import Tensor, inference_graph, predictor
from umbel.graph.implementations import RemoteService
from umbel.graph.ir import Node
from umbel.nodes.loading import NodeNotLoaded
from umbel.nodes.messages import Message
from umbel.nodes.request_context import RequestContext, enter
from umbel.serving.node_loading import load_node

pytest.importorskip("grpc")

from loopback_grpc import serving_grpc

Row = Tensor["float32", "batch"]


@predictor
def twice(x: Row) -> Row:
    return x * 2


@inference_graph
def twices(x):
    return twice(x)


def service(url: str) -> Node:
    graph = next(iter(twices.program().graphs.values()))
    return replace(next(iter(graph.nodes.values())), code=RemoteService(url))


async def test_over_grpc() -> None:
    async with serving_grpc(twices) as server:
        node = load_node(service(f"{server.url}/twices"))
        enter(RequestContext())
        tensor = {"name": "x", "shape": [1], "datatype": "FP32", "data": [4]}
        body = Message(json.dumps({"inputs": [tensor]}).encode())
        reply = await node({"body": body}, RequestContext())
        assert json.loads(reply.body)["outputs"][0]["data"] == [8]
        await node.close()


def test_a_wrong_address() -> None:
    with pytest.raises(NodeNotLoaded, match="'twice' cannot start: expected grpc://host:port/mod"):
        load_node(service("grpc://host/model"))
