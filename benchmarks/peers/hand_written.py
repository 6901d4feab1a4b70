"""The limit: the whole pipeline in one FastAPI process on uvicorn, JSON by orjson."""

from __future__ import annotations

import argparse
import json

import numpy as np
import orjson
import uvicorn
from fastapi import FastAPI, Request, Response

from peers.pipelines import PIPELINES


def application(workload: str) -> FastAPI:
    """The server of one workload."""
    pipeline = PIPELINES[workload]
    run = pipeline.loaded()
    app = FastAPI()

    @app.post("/predict")
    async def predict(request: Request) -> Response:
        instances = orjson.loads(await request.body())["instances"]
        answer = {"predictions": run(pipeline.read(instances))}
        body = orjson.dumps(answer, option=orjson.OPT_SERIALIZE_NUMPY)
        return Response(body, media_type="application/json")

    @app.post("/infer")
    async def infer(request: Request) -> Response:
        body = await request.body()
        split = int(request.headers["inference-header-content-length"])
        asked = orjson.loads(body[:split])
        tensor = asked["inputs"][0]
        result = run(np.frombuffer(body, np.float32, offset=split).reshape(tensor["shape"]))
        made = {"name": "output", "shape": result.shape, "datatype": "FP32"}
        made["parameters"] = {"binary_data_size": result.nbytes}
        head = json.dumps({"model_name": workload, "id": asked["id"], "outputs": [made]}).encode()
        return Response(
            head + result.tobytes(),
            media_type="application/octet-stream",
            headers={"inference-header-content-length": str(len(head))},
        )

    return app


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("workload")
    parser.add_argument("port", type=int)
    asked = parser.parse_args()
    uvicorn.run(
        application(asked.workload),
        host="127.0.0.1",
        port=asked.port,
        access_log=False,
        log_level="warning",
    )


if __name__ == "__main__":
    main()
