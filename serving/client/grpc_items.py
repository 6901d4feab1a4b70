"""``ModelStreamInfer``: one request, its responses one by one."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncGenerator, Mapping
from typing import Any

import grpc

from umbel.graph.errors import RequestFailed
from umbel.serving.client.answered_errors import answered
from umbel.serving.client.attempts import Unanswered, attempts
from umbel.serving.client.grpc_transport import GrpcTransport
from umbel.serving.client.stream_pace import Pace
from umbel.serving.grpc_protocol.inference_messages import request_to_message, response_from_message
from umbel.serving.grpc_protocol.status_codes import ERROR_STATUS
from umbel.serving.protocols.payload import InferRequest, InferResponse

METHOD = "ModelStreamInfer"
_FINAL = "triton_final_response"


async def responses(
    transport: GrpcTransport,
    model: str,
    request: InferRequest,
    pace: Pace,
    headers: Mapping[str, str],
) -> AsyncGenerator[InferResponse, None]:
    """The responses as they come. Until the first is there the request is tried again as any
    other; what goes wrong later raises. Closing it cancels the call on the server."""
    url, message = f"{transport.base}/{METHOD}", request_to_message(request, model)

    async def begun() -> tuple[Any, InferResponse | None]:
        call = transport.stream(METHOD, pace.deadline.left(), headers)
        try:
            await pace.within(_sent(call, message), url)
            return call, await _next(call, pace, url)
        except grpc.aio.AioRpcError as error:
            call.cancel()
            raise transport.failure(error, url, pace.deadline) from error
        except BaseException:
            call.cancel()
            raise

    call, response = await attempts(begun, transport.retry, pace.deadline, url)
    count = 0
    try:
        while response is not None:
            count += 1
            yield response
            response = await _further(call, transport, pace, url, count)
    finally:
        call.cancel()


async def _sent(call: Any, message: Any) -> None:
    with contextlib.suppress(asyncio.InvalidStateError):  # it ended before: reading tells why
        await call.write(message)
        await call.done_writing()


async def _next(call: Any, pace: Pace, url: str) -> InferResponse | None:
    """The next response with outputs; None at the end. Raises what the server says instead."""
    while True:
        read = await pace.within(call.read(), url)
        if read is grpc.aio.EOF:
            return None
        if read.error_message:
            raise _told(read, url)
        response = read.infer_response
        last = _FINAL in response.parameters and response.parameters[_FINAL].bool_param
        if response.outputs or not last:  # an empty one that says it was the last is no item
            return response_from_message(response)


async def _further(
    call: Any, transport: GrpcTransport, pace: Pace, url: str, count: int
) -> InferResponse | None:
    try:
        return await _next(call, pace, url)
    except grpc.aio.AioRpcError as error:
        failed = transport.failure(error, url, pace.deadline)
        if isinstance(failed, Unanswered):
            failed = RequestFailed(
                f"{url}: the stream broke off after {count} items: {error.details()}"
            )
        raise failed from error


def _told(read: Any, url: str) -> Exception:
    """The error in a response's place: Triton gives a text, umbel its HTTP status too."""
    parameters = read.infer_response.parameters
    status = parameters[ERROR_STATUS].int64_param if ERROR_STATUS in parameters else 0
    if 400 <= status < 600:
        return answered(status, read.error_message.encode(), "text/plain", url)
    return RequestFailed(f"{url}: {read.error_message}")
