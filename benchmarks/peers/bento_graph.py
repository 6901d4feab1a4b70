"""BentoML: a service for each node, `bentoml.depends` between them, as its documentation says.

Each service is a process of its own; they talk over Unix sockets. The workload comes from the
environment, because `bentoml serve` imports this module anew in every process.
"""

from __future__ import annotations

import os
from typing import Any

import bentoml
import numpy as np

from peers.pipelines import PIPELINES

WORKLOAD = os.environ["BENCHMARK_WORKLOAD"]
BATCH = int(os.environ.get("BENCHMARK_BATCH", "1"))
PIPELINE = PIPELINES[WORKLOAD]
TRAFFIC = {"timeout": 60}


def _node(name: str) -> Any:
    """A service for one node. BentoML reads the annotations, so they are set by hand."""

    def init(self: Any) -> None:
        self.run_step = PIPELINE.nodes[name]()

    def run(self: Any, x: Any) -> Any:
        return np.asarray(self.run_step(x))

    run.__annotations__ = {
        "x": list[str] if name == "prepare" else np.ndarray,
        "return": np.ndarray,
    }
    options = {"batchable": True, "max_batch_size": BATCH, "max_latency_ms": 60_000}
    api = bentoml.api(**options if BATCH > 1 else {})(run)
    made = type(f"Node_{name}", (), {"__init__": init, "run": api, "__module__": __name__})
    return bentoml.service(name=f"node_{name}", workers=1, traffic=TRAFFIC)(made)


NODES = {name: _node(name) for name in PIPELINE.nodes}
globals().update({f"Node_{name}": node for name, node in NODES.items()})


async def predict(self: Any, instances: Any) -> Any:
    """V1 without the path."""

    async def call(name: str, x: Any) -> Any:
        return await getattr(self, f"to_{name}").to_async.run(x)

    return {"predictions": (await PIPELINE.compose(call, PIPELINE.read(instances))).tolist()}


predict.__annotations__ = {"instances": list[Any], "return": dict[str, Any]}
DEPENDS = {f"to_{name}": bentoml.depends(node) for name, node in NODES.items()}
MEMBERS = {"predict": bentoml.api(predict), "__module__": __name__, **DEPENDS}
Entry = bentoml.service(name="entry", workers=1, traffic=TRAFFIC)(type("Entry", (), MEMBERS))
