"""The methods of the service that ask for one model, from message to message.

They work on serialized messages, so that a front in another process passes them on unread.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from umbel.nodes.request_context import RequestContext
from umbel.serving.endpoint import Endpoint
from umbel.serving.grpc_protocol import messages
from umbel.serving.grpc_protocol.inference_messages import request_from_message, response_to_message
from umbel.serving.pool_endpoint import AnyEndpoint, PoolEndpoint
from umbel.serving.protocols.error_bodies import model_not_ready
from umbel.serving.protocols.metadata import model_metadata

Method = Callable[[Any, Any, RequestContext], Awaitable[Any]]


async def answer(
    endpoint: AnyEndpoint, method: str, request: bytes, context: RequestContext
) -> bytes:
    """The serialized response of one of ``METHODS``. Raises what the HTTP verb would answer with
    an error status."""
    kind, run = METHODS[method]
    if isinstance(endpoint, PoolEndpoint) and run in (_infer, _metadata):
        model = model_asked(method, request)
        return await endpoint.answer_message(model, method, request, context)
    response = await run(endpoint, messages.read_message(kind, request), context)
    serialized: bytes = response.SerializeToString()
    return serialized


async def _infer(endpoint: Endpoint, message: Any, context: RequestContext) -> Any:
    """As in KServe, the version asked for is not looked at: a model has one."""
    if not endpoint.ready:
        raise model_not_ready(endpoint.model)
    request = request_from_message(message)
    response = await endpoint.inference.infer_tensors(request, context)
    return response_to_message(response, request, raw=bool(message.raw_input_contents))


async def _metadata(endpoint: Endpoint, message: Any, context: RequestContext) -> Any:
    if not endpoint.ready:
        raise model_not_ready(endpoint.model)
    described = model_metadata(endpoint.model, endpoint.told)
    return messages.ModelMetadataResponse(**described)


async def _ready(endpoint: AnyEndpoint, message: Any, context: RequestContext) -> Any:
    ready = endpoint.ready
    if isinstance(endpoint, PoolEndpoint) and message.name != endpoint.name:
        ready = endpoint.model_ready(message.name)
    return messages.ModelReadyResponse(ready=ready)


async def _index(endpoint: AnyEndpoint, message: Any, context: RequestContext) -> Any:
    rows = await endpoint.index(context)
    kept = [row for row in rows if row["state"] == "READY" or not message.ready]
    return messages.RepositoryIndexResponse(models=kept)


async def _load(endpoint: AnyEndpoint, message: Any, context: RequestContext) -> Any:
    name = _addressed(endpoint, message)
    await endpoint.change(name, True, context)
    return messages.RepositoryModelLoadResponse(model_name=name, isLoaded=True)


async def _unload(endpoint: AnyEndpoint, message: Any, context: RequestContext) -> Any:
    name = _addressed(endpoint, message)
    await endpoint.change(name, False, context)
    return messages.RepositoryModelUnloadResponse(model_name=name, isUnloaded=True)


def _addressed(endpoint: AnyEndpoint, message: Any) -> str:
    """The model a repository's message is about: a graph's own may be asked for by the graph."""
    asked: str = message.model_name or message.repository_or_model_name
    return asked if isinstance(endpoint, PoolEndpoint) else endpoint.model


METHODS: dict[str, tuple[Any, Method]] = {
    "ModelReady": (messages.ModelReadyRequest, _ready),
    "ModelMetadata": (messages.ModelMetadataRequest, _metadata),
    "ModelInfer": (messages.ModelInferRequest, _infer),
    "RepositoryIndex": (messages.RepositoryIndexRequest, _index),
    "RepositoryModelLoad": (messages.RepositoryModelLoadRequest, _load),
    "RepositoryModelUnload": (messages.RepositoryModelUnloadRequest, _unload),
}
"""Method → the class of its request, and what answers it."""


def model_asked(method: str, request: bytes) -> str:
    """The name of the model a request is for, without reading the rest of it."""
    if method.startswith("RepositoryModel"):
        message = messages.read_message(METHODS[method][0], request)
        name: str = message.model_name or message.repository_or_model_name
    else:
        name = messages.read_message(messages.Addressed, request).first
    return name
