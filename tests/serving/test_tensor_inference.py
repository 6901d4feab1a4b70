"""Tensors for models that take bodies: the request goes in as V2 JSON, and so comes the answer."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import numpy as np
import orjson
import pytest

from loopback_server import planned
from umbel import inference_graph, predictor
from umbel.graph.errors import NotImplementedHere, RequestFailed
from umbel.nodes.request_context import RequestContext
from umbel.serving.graph_host import GraphHost
from umbel.serving.protocols.datatypes import tensor_of
from umbel.serving.protocols.payload import InferRequest
from umbel.serving.wire import WireRequest


@predictor
def summed(body: dict) -> Any:
    values = body["inputs"][0]["data"]
    if not values:
        return {"no": "tensors"}
    return {"outputs": [{"name": "sum", "shape": [1], "datatype": "FP64", "data": [sum(values)]}]}


@inference_graph
def sums(body):
    return summed(body)


@pytest.fixture()
async def inference() -> AsyncIterator[Any]:
    plan = planned(sums)
    name = plan.program.served[0]
    graphs = {name: replace(plan.program.graphs[name], interface="payload")}
    host = GraphHost(replace(plan, program=replace(plan.program, graphs=graphs)), "0")
    await host.start()
    endpoint = host.get("sums")
    assert endpoint is not None
    yield endpoint.inference
    await host.close()


async def ask(inference: Any, values: list[float], dtype: str = "float64") -> Any:
    request = InferRequest((tensor_of("x", np.array(values, dtype)),), id="7")
    return await inference.infer_tensors(request, RequestContext())


async def test_the_answer_is_read_as_tensors(inference: Any) -> None:
    response = await ask(inference, [1, 2.5])
    assert (response.model_name, response.id) == ("sums", "7")
    assert response.outputs[0].array.tolist() == [3.5]


async def test_an_answer_that_is_no_v2_response_is_the_models_fault(inference: Any) -> None:
    with pytest.raises(RequestFailed, match="no V2 inference response"):
        await ask(inference, [])


async def test_what_json_cannot_hold_is_refused(inference: Any) -> None:
    with pytest.raises(NotImplementedHere, match="plain JSON only"):
        await ask(inference, [1], "float16")


@pytest.mark.parametrize("verb", ["call", "infer"])
async def test_a_body_is_parsed_once(
    inference: Any, verb: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    tensors = [{"name": "x", "shape": [2], "datatype": "FP64", "data": [1, 2.5]}]
    body = json.dumps({"inputs": tensors}).encode()
    parsed: list[Any] = []
    loads = orjson.loads
    monkeypatch.setattr(orjson, "loads", lambda text: [parsed.append(text), loads(text)][1])
    reply = await getattr(inference, verb)(WireRequest("POST", "", body, {}, RequestContext()))
    assert loads(reply.body)["outputs"][0]["data"] == [3.5]
    assert len(parsed) == 1
