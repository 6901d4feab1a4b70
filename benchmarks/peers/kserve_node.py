"""One node as a KServe Python model server, quiet and without gRPC: its quickest form.

It takes V1 `instances`, and answers `instances` again unless it is the last: what the next
server of a sequence wants, so that nobody has to rename them in between. Which node it is
stands in the environment: the command line is KServe's, read when it is imported.
"""

from __future__ import annotations

import os
from typing import Any

import kserve
import numpy as np
from kserve.protocol.rest import server as rest_server

from peers.pipelines import PIPELINES


class Node(kserve.Model):  # type: ignore[misc]
    """A step of a workload."""

    def __init__(self, name: str, workload: str, key: str) -> None:
        super().__init__(name)
        self._pipeline, self._key = PIPELINES[workload], key
        self._read = self._pipeline.read if name == next(iter(self._pipeline.nodes)) else np.asarray
        self._run = self._pipeline.nodes[name]()
        self.ready = True

    async def predict(self, payload: Any, *_headers: Any, **_more: Any) -> Any:
        """V1 as a dict, V2 with binary tensors as KServe's own classes."""
        if isinstance(payload, dict):
            return {self._key: self._run(self._read(payload["instances"])).tolist()}
        result = self._run(payload.inputs[0].as_numpy())
        output = kserve.InferOutput("x", list(result.shape), "FP32")
        output.set_data_from_numpy(result, binary_data=True)
        return kserve.InferResponse(payload.id, self.name, [output], use_binary_outputs=True)


def listen_on_loopback() -> None:
    """KServe binds every interface and has no option for it."""
    made = rest_server.RESTServer.__init__

    def init(self: Any, *positional: Any, **named: Any) -> None:
        made(self, *positional, **named)
        self.config.host = "127.0.0.1"

    rest_server.RESTServer.__init__ = init


def main() -> None:
    workload, name, key, port = os.environ["BENCHMARK_NODE"].split()
    listen_on_loopback()
    node = Node(name, workload, key)
    kserve.ModelServer(
        http_port=int(port), enable_grpc=False, workers=1, enable_latency_logging=False
    ).start([node])


if __name__ == "__main__":
    main()
