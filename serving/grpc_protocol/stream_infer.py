"""``ModelStreamInfer``: the responses to one request of a stream, as they come.

Each carries Triton's ``triton_final_response``. A node that yields gives several; none of those
is marked final, since which is the last is known only after it. A client that asked for
``triton_enable_empty_final_response`` gets an empty response at the end.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator
from typing import Any

from umbel.nodes.item_streams import END
from umbel.nodes.request_context import RequestContext
from umbel.serving.grpc_protocol import messages
from umbel.serving.grpc_protocol.inference_messages import request_from_message, response_to_message
from umbel.serving.grpc_protocol.model_methods import model_asked
from umbel.serving.pool_endpoint import AnyEndpoint, PoolEndpoint
from umbel.serving.protocols.error_bodies import model_not_ready
from umbel.serving.stream_inference import StreamInference

FINAL = "triton_final_response"
WANTS_END = "triton_enable_empty_final_response"


async def stream_infer(
    endpoint: AnyEndpoint, request: bytes, context: RequestContext
) -> AsyncGenerator[bytes, None]:
    """The serialized ``ModelInferResponse`` messages. Raises what ``ModelInfer`` would."""
    if isinstance(endpoint, PoolEndpoint):
        model = model_asked("ModelInfer", request)
        whole = await endpoint.answer_message(model, "ModelInfer", request, context)
        yield _marked(messages.ModelInferResponse.FromString(whole), True)
        return
    if not endpoint.ready:
        raise model_not_ready(endpoint.model)
    message = messages.read_message(messages.ModelInferRequest, request)
    parsed = request_from_message(message)
    raw = bool(message.raw_input_contents)
    inference = endpoint.inference
    if not isinstance(inference, StreamInference):
        response = await inference.infer_tensors(parsed, context)
        yield _marked(response_to_message(response, parsed, raw=raw), True)
        return
    stream = await inference.open(inference.bound(parsed), context)
    empty = True
    try:
        while (item := await stream.next()) is not END:
            empty = False
            response = inference.response(item, parsed, context)
            yield _marked(response_to_message(response, parsed, raw=raw), False)
    finally:
        await stream.close()
    wanted = WANTS_END in message.parameters and message.parameters[WANTS_END].bool_param
    if wanted or empty:
        known = parsed.id or context.id
        yield _marked(messages.ModelInferResponse(model_name=endpoint.model, id=known), True)


def _marked(response: Any, final: bool) -> bytes:
    response.parameters[FINAL].bool_param = final
    serialized: bytes = response.SerializeToString()
    return serialized
