"""The Open Inference Protocol's service: one front for all models, chosen by ``model_name``."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Iterable
from contextlib import aclosing
from typing import Any, Protocol

import grpc

from umbel.graph.errors import UmbelError
from umbel.nodes.request_context import RequestContext
from umbel.serving.grpc_protocol import messages
from umbel.serving.grpc_protocol.calls import context_of, trailers_of
from umbel.serving.grpc_protocol.model_methods import METHODS, model_asked
from umbel.serving.grpc_protocol.status_codes import (
    ERROR_STATUS,
    http_status_of,
    status_of,
)
from umbel.serving.grpc_protocol.stream_infer import FINAL
from umbel.serving.protocols import absent_extensions
from umbel.serving.protocols.metadata import EXTENSIONS, index_row, server_metadata

log = logging.getLogger("umbel")

Answer = Callable[[bytes, RequestContext], Awaitable[bytes]]

STREAM = "ModelStreamInfer"
UNARY = (
    "ServerLive",
    "ServerReady",
    "ServerMetadata",
    *METHODS,
    *absent_extensions.METHODS,
)
"""The methods that take one message and give one."""


class Models(Protocol):
    """The models behind a front, wherever they run."""

    def names(self) -> Iterable[str]:
        """All of them."""

    async def answer(
        self, model: str, method: str, request: bytes, context: RequestContext
    ) -> bytes:
        """One of ``model_methods.METHODS``, by one model. Raises NotFound for an unknown one."""

    def answers(
        self, model: str, request: bytes, context: RequestContext
    ) -> AsyncGenerator[bytes, None]:
        """The responses to one request of ``ModelStreamInfer``. Raises as ``answer`` does."""


class Front:
    """Takes calls, finds the model, and turns errors into status."""

    def __init__(self, models: Models, version: str) -> None:
        self._models, self._version = models, version
        self.methods = self._handlers()
        """Method → its handler, which takes and gives bytes."""

    def handler(self) -> grpc.GenericRpcHandler:
        """For ``grpc.aio.Server.add_generic_rpc_handlers``."""
        return grpc.method_handlers_generic_handler(messages.SERVICE, self.methods)

    def _handlers(self) -> dict[str, grpc.RpcMethodHandler]:
        answers: dict[str, Answer] = {
            "ServerLive": self._live,
            "ServerReady": self._ready,
            "ServerMetadata": self._metadata,
            "RepositoryIndex": self._index,
            **{method: self._of_model(method) for method in METHODS if method != "RepositoryIndex"},
        }
        methods = {
            name: grpc.unary_unary_rpc_method_handler(self._unary(name, answer))
            for name, answer in answers.items()
        }
        for name, text in absent_extensions.METHODS.items():
            methods[name] = grpc.unary_unary_rpc_method_handler(_absent(text))
        methods[STREAM] = grpc.stream_stream_rpc_method_handler(self._stream)
        return methods

    def _unary(self, name: str, answer: Answer) -> Callable[[bytes, Any], Awaitable[bytes]]:
        async def serve(request: bytes, call: Any) -> bytes:
            context = context_of(call)
            try:
                response = await answer(request, context)
            except Exception as error:
                code, text = _status(error, name, context)
                await call.abort(code, text, trailers_of(context))
                raise
            call.set_trailing_metadata(trailers_of(context))
            return response

        return serve

    async def _stream(self, requests: AsyncIterator[bytes], call: Any) -> AsyncIterator[bytes]:
        """The answers to each request, in their order; an error does not end the stream."""
        async for request in requests:
            context = context_of(call)
            try:
                model = model_asked("ModelInfer", request)
                async with aclosing(self._models.answers(model, request, context)) as answers:
                    async for answer in answers:
                        response = messages.ModelStreamInferResponse()
                        response.infer_response.ParseFromString(answer)
                        yield response.SerializeToString()
            except Exception as error:
                response = messages.ModelStreamInferResponse()
                _, response.error_message = _status(error, "ModelStreamInfer", context)
                response.infer_response.id = _id_of(request)
                parameters = response.infer_response.parameters
                parameters[FINAL].bool_param = True
                parameters[ERROR_STATUS].int64_param = http_status_of(error)[0]
                yield response.SerializeToString()

    def _of_model(self, method: str) -> Answer:
        async def answer(request: bytes, context: RequestContext) -> bytes:
            model = model_asked(method, request)
            return await self._models.answer(model, method, request, context)

        return answer

    async def _live(self, request: bytes, context: RequestContext) -> bytes:
        return _serialized(messages.ServerLiveResponse(live=True))

    async def _ready(self, request: bytes, context: RequestContext) -> bytes:
        ready = all(ready for _, ready in await self._readiness(context))
        return _serialized(messages.ServerReadyResponse(ready=ready))

    async def _metadata(self, request: bytes, context: RequestContext) -> bytes:
        extensions = [name for name in EXTENSIONS if name != "binary_tensor_data"]
        described = server_metadata(self._version, extensions)
        return _serialized(messages.ServerMetadataResponse(**described))

    async def _index(self, request: bytes, context: RequestContext) -> bytes:
        messages.read_message(messages.RepositoryIndexRequest, request)
        whole = messages.RepositoryIndexResponse()
        names = sorted(self._models.names())
        for part in await asyncio.gather(*(self._part(name, request, context) for name in names)):
            whole.models.extend(part)
        return _serialized(whole)

    async def _part(self, name: str, request: bytes, context: RequestContext) -> Iterable[Any]:
        """What one graph has of the index: several models if it is a pool."""
        try:
            response = await self._models.answer(name, "RepositoryIndex", request, context)
        except UmbelError as error:
            row = index_row(name, False, str(error))
            return messages.RepositoryIndexResponse(models=[row]).models  # type: ignore[no-any-return]
        models: Iterable[Any] = messages.RepositoryIndexResponse.FromString(response).models
        return models

    async def _readiness(self, context: RequestContext) -> list[tuple[str, bool]]:
        names = sorted(self._models.names())
        ready = await asyncio.gather(*(self._is_ready(name, context) for name in names))
        return list(zip(names, ready, strict=True))

    async def _is_ready(self, name: str, context: RequestContext) -> bool:
        request = _serialized(messages.ModelReadyRequest(name=name))
        try:
            response = await self._models.answer(name, "ModelReady", request, context)
        except UmbelError:
            return False
        return bool(messages.ModelReadyResponse.FromString(response).ready)


def _absent(text: str) -> Callable[[bytes, Any], Awaitable[bytes]]:
    async def serve(request: bytes, call: Any) -> bytes:
        await call.abort(grpc.StatusCode.UNIMPLEMENTED, text)
        raise NotImplementedError(text)

    return serve


def _status(error: Exception, method: str, context: RequestContext) -> tuple[grpc.StatusCode, str]:
    if not isinstance(error, UmbelError):
        log.error("%s failed (request %s)", method, context.id, exc_info=error)
    return status_of(error, context.id)


def _id_of(request: bytes) -> str:
    """The id by which a client knows its request, empty if the request cannot be read."""
    try:
        found: str = messages.read_message(messages.ModelInferRequest, request).id
    except UmbelError:
        found = ""
    return found


def _serialized(message: Any) -> bytes:
    serialized: bytes = message.SerializeToString()
    return serialized
