"""KServe's own gRPC client against the server at argv[1]; runs where kserve is installed."""

import asyncio
import sys

import grpc
import numpy as np
from kserve import InferenceGRPCClient, InferInput, InferRequest


async def main(address: str) -> None:
    async with InferenceGRPCClient(address) as client:
        assert await client.is_server_live()
        assert await client.is_server_ready()
        assert await client.is_model_ready("iris")
        rows = np.array([[51.0, 35.0, 14.0, 2.0], [67.0, 31.0, 56.0, 24.0]])
        for binary in (True, False):
            given = InferInput("millimetres", list(rows.shape), "FP64")
            given.set_data_from_numpy(rows, binary_data=binary)
            request = InferRequest("iris", [given], request_id="7")
            response = await client.infer(request, headers=(("x-request-id", "r7"),))
            assert (response.model_name, response.id) == ("iris", "7")
            assert response.outputs[0].as_numpy().tolist() == [0, 2]
        request.model_name = "nobody"
        assert await refusal(client, request) == (
            grpc.StatusCode.NOT_FOUND,
            "Model with name nobody does not exist.",
        )


async def refusal(client: InferenceGRPCClient, request: InferRequest) -> tuple[object, str]:
    try:
        await client.infer(request)
    except grpc.RpcError as error:
        return error.code(), error.details()
    raise AssertionError("the server took a request for a model that it does not have")


asyncio.run(main(sys.argv[1]))
