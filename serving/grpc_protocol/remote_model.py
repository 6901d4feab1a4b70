"""A model that another server has, called over gRPC: ``grpc://host:port/model``."""

from __future__ import annotations

from typing import Any
from urllib.parse import unquote, urlsplit

import grpc
import orjson

from umbel.graph.errors import DeclarationError, InvalidInput, RequestFailed, UpstreamAnswered
from umbel.graph.implementations import RemoteService
from umbel.nodes.header_rules import HeaderRules
from umbel.nodes.messages import Message
from umbel.nodes.request_context import current_request
from umbel.serving.grpc_protocol.inference_messages import request_to_message, response_from_message
from umbel.serving.grpc_protocol.messages import SERVICE, ModelInferRequest, ModelInferResponse
from umbel.serving.grpc_protocol.settings import DEFAULT_MESSAGE_LIMIT
from umbel.serving.grpc_protocol.status_codes import answered_status
from umbel.serving.protocols.error_bodies import error_reply
from umbel.serving.protocols.payload import InferRequest, InferResponse
from umbel.serving.protocols.v2 import decode_infer_request, encode_infer_response

SCHEMES = ("grpc", "grpcs")
"""``grpcs`` is with TLS, and the certificates that gRPC trusts by itself."""


class RemoteModel:
    """One model of one server. Connects at the first call and keeps the connection."""

    def __init__(
        self, service: RemoteService, *, message_limit: int = DEFAULT_MESSAGE_LIMIT
    ) -> None:
        """``service.url`` names server and model. Raises DeclarationError if it does not."""
        self._url, self._timeout_s = service.url, service.timeout_s
        self._rules = HeaderRules(service.forward_headers)
        self._secure, self._address, self._model = _target(service.url)
        self._limit = message_limit
        self._channel: grpc.aio.Channel | None = None
        self._call: Any = None

    async def infer(self, request: InferRequest) -> InferResponse:
        """The model's answer, within the request's deadline and the service's own timeout.

        Raises UpstreamAnswered, with the HTTP status of the same meaning, if the server answered
        with an error, and RequestFailed if it did not answer or the answer makes no sense.
        """
        context = current_request()
        limits = [t for t in (self._timeout_s, context.remaining()) if t is not None]
        headers = self._rules.select(context.header_list)
        metadata = tuple((name.lower(), value) for name, value in headers)
        try:
            message = await self._connected()(
                request_to_message(request, self._model),
                timeout=min(limits) if limits else None,
                metadata=metadata,
            )
        except grpc.aio.AioRpcError as error:
            raise self._failure(error) from error
        return response_from_message(message)

    async def post(self, body: Message) -> Message:
        """V2 JSON in, V2 JSON out, as from a service that is called over HTTP: an error that the
        server answered with is an answer. Raises RequestFailed if there was none."""
        try:
            response = await self.infer(decode_infer_request(body.body))
        except InvalidInput as error:
            reply = error_reply(error)
            return Message(reply.body, reply.status, reply.headers["content-type"])
        except UpstreamAnswered as error:
            return Message(error.body, error.code, error.content_type)
        try:
            content, headers = encode_infer_response(response)
        except InvalidInput as error:
            raise RequestFailed(f"{self._url}: the answer has no JSON form: {error}") from error
        return Message(content, 200, headers["content-type"])

    async def close(self) -> None:
        """Close the connection; calls that run are cancelled."""
        channel, self._channel, self._call = self._channel, None, None
        if channel is not None:
            await channel.close()

    def _connected(self) -> Any:
        if self._call is None:
            options = [
                ("grpc.max_receive_message_length", self._limit),
                ("grpc.max_send_message_length", self._limit),
                ("grpc.initial_reconnect_backoff_ms", 100),
                ("grpc.max_reconnect_backoff_ms", 2000),
            ]
            if self._secure:
                credentials = grpc.ssl_channel_credentials()
                self._channel = grpc.aio.secure_channel(self._address, credentials, options)
            else:
                self._channel = grpc.aio.insecure_channel(self._address, options)
            self._call = self._channel.unary_unary(
                f"/{SERVICE}/ModelInfer",
                request_serializer=ModelInferRequest.SerializeToString,
                response_deserializer=ModelInferResponse.FromString,
            )
        return self._call

    def _failure(self, error: grpc.aio.AioRpcError) -> Exception:
        code, text = error.code(), error.details() or ""
        if code is grpc.StatusCode.DEADLINE_EXCEEDED:
            return RequestFailed(f"{self._url}: timed out")
        status = answered_status(code)
        if status is None:
            return RequestFailed(f"{self._url}: {code.name}: {text}")
        return UpstreamAnswered(status, orjson.dumps({"error": text}))


def _target(url: str) -> tuple[bool, str, str]:
    """Whether with TLS, ``host:port``, and the model's name."""
    parts = urlsplit(url)
    model = unquote(parts.path.strip("/"))
    try:
        complete = bool(parts.scheme in SCHEMES and parts.hostname and parts.port and model)
    except ValueError:
        complete = False
    if not complete or "/" in model:
        raise DeclarationError(f"expected grpc://host:port/model, got {url!r}")
    return parts.scheme == "grpcs", parts.netloc.rpartition("@")[2], model
