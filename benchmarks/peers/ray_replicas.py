"""What runs in the replicas of `ray_handles`."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import orjson
from starlette.requests import Request
from starlette.responses import Response

from peers.pipelines import PIPELINES
from umbel.serving.replica_loopback import listen_on_loopback


class Node:
    """One step of a workload."""

    def __init__(self, workload: str, name: str) -> None:
        listen_on_loopback()
        self._run = PIPELINES[workload].nodes[name]()

    async def __call__(self, x: Any) -> Any:
        return self._run(x)


class Entry:
    """The ingress: reads the request, calls the nodes through their handles."""

    def __init__(self, workload: str, nodes: dict[str, Any]) -> None:
        listen_on_loopback()
        self._workload, self._pipeline, self._nodes = workload, PIPELINES[workload], nodes

    async def __call__(self, request: Request) -> Response:
        if "inference-header-content-length" in request.headers:
            return await self._infer(request)
        instances = orjson.loads(await request.body())["instances"]
        result = await self._pipeline.compose(self._call, self._pipeline.read(instances))
        body = orjson.dumps({"predictions": result}, option=orjson.OPT_SERIALIZE_NUMPY)
        return Response(body, media_type="application/json")

    async def _call(self, name: str, x: Any) -> Any:
        return await self._nodes[name].remote(x)

    async def _infer(self, request: Request) -> Response:
        body = await request.body()
        split = int(request.headers["inference-header-content-length"])
        asked = orjson.loads(body[:split])
        shape = asked["inputs"][0]["shape"]
        x = np.frombuffer(body, np.float32, offset=split).reshape(shape)
        result = await self._pipeline.compose(self._call, x)
        made = {"name": "output", "shape": result.shape, "datatype": "FP32"}
        made["parameters"] = {"binary_data_size": result.nbytes}
        answer = {"model_name": self._workload, "id": asked["id"], "outputs": [made]}
        head = json.dumps(answer).encode()
        return Response(
            head + result.tobytes(),
            media_type="application/octet-stream",
            headers={"inference-header-content-length": str(len(head))},
        )
