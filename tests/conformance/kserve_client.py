"""``python kserve_client.py URL``: the iris sample through KServe's own client, V1 and V2.

Run by an interpreter that has ``kserve``. Prints what came back as one JSON object.
"""

from __future__ import annotations

import asyncio
import json
import sys
from typing import Any

from kserve import InferenceRESTClient, InferInput, InferRequest, RESTConfig

ROWS = [[6.8, 2.8, 4.8, 1.4], [6.0, 3.4, 4.5, 1.6]]


async def main(url: str) -> dict[str, Any]:
    """``url`` is where the graphs are served: ``http://host:port``."""
    found: dict[str, Any] = {}
    v1 = InferenceRESTClient(RESTConfig(protocol="v1", retries=0))
    found["v1"] = await v1.infer(f"{url}/iris", {"instances": ROWS}, model_name="iris")
    found["v1 ready"] = await v1.is_model_ready(f"{url}/iris", "iris")
    found["v1 live"] = await v1.is_server_live(f"{url}/iris")
    found["graph"] = await v1.infer(f"{url}/flowers", {"instances": ROWS}, is_graph_endpoint=True)
    await v1.close()

    v2 = InferenceRESTClient(RESTConfig(protocol="v2", retries=0))
    rows = InferInput("x", [2, 4], "FP32", [value for row in ROWS for value in row])
    answer = await v2.infer(
        f"{url}/iris", InferRequest("iris", [rows], request_id="r-1"), model_name="iris"
    )
    found["v2"] = answer.outputs[0].as_numpy().tolist()
    found["v2 id"] = answer.id
    found["v2 live"] = await v2.is_server_live(f"{url}/iris")
    found["v2 ready"] = await v2.is_server_ready(f"{url}/iris")
    found["v2 model"] = await v2.is_model_ready(f"{url}/iris", "iris")
    await v2.close()
    return found


if __name__ == "__main__":
    print(json.dumps(asyncio.run(main(sys.argv[1]))))
