"""The Open Inference Protocol over gRPC, with the same retries and deadlines as over HTTP."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import grpc

from umbel.graph.errors import DeadlineExceeded, DeclarationError, RequestFailed
from umbel.graph.options import Retry
from umbel.serving.client.answered_errors import answered
from umbel.serving.client.attempts import Deadline, Unanswered, attempts
from umbel.serving.client.request_headers import RequestHeaders, lowered
from umbel.serving.grpc_protocol import messages
from umbel.serving.grpc_protocol.inference_messages import request_to_message, response_from_message
from umbel.serving.grpc_protocol.status_codes import answered_status
from umbel.serving.protocols.payload import InferRequest, InferResponse

_DUE_S = 0.05
"""gRPC's timer and ours differ by less: an answer that came this late is our own deadline's."""


class GrpcTransport:
    """One server. Connects at the first call; belongs to one event loop."""

    def __init__(
        self,
        address: str,
        *,
        secure: bool,
        headers: RequestHeaders,
        retry: Retry,
        message_limit: int,
        ca: bytes | None = None,
    ) -> None:
        self.base = f"{'grpcs' if secure else 'grpc'}://{address}"
        self._address, self._secure, self._ca = address, secure, ca
        self._headers, self.retry, self._limit = headers, retry, message_limit
        self._channel: grpc.aio.Channel | None = None
        self._calls: dict[str, Any] = {}

    async def infer(
        self,
        model: str,
        request: InferRequest,
        deadline: Deadline,
        headers: Mapping[str, str],
        binary: bool,
    ) -> InferResponse:
        """Inference; tensors always go raw, ``binary`` or not."""
        message = request_to_message(request, model)
        reply = await self.ask(
            "ModelInfer", message, messages.ModelInferResponse, deadline, headers
        )
        return response_from_message(reply)

    async def ask(
        self,
        method: str,
        message: Any,
        answer: Any,
        deadline: Deadline,
        headers: Mapping[str, str] | None = None,
        retry: Retry | None = None,
    ) -> Any:
        """One call; ``answer`` is the class of what comes back. Raises as over HTTP."""
        url = f"{self.base}/{method}"

        async def once() -> Any:
            metadata, call = self._metadata(headers or {}), self._call(method, answer)
            try:
                return await call(message, timeout=deadline.left(), metadata=metadata)
            except grpc.aio.AioRpcError as error:
                raise self.failure(error, url, deadline) from error

        return await attempts(once, retry or self.retry, deadline, url)

    def stream(self, method: str, seconds: float | None, headers: Mapping[str, str]) -> Any:
        """A call that takes and gives several messages, just begun."""
        metadata = self._metadata(headers)
        begin = self._open().stream_stream(
            f"/{messages.SERVICE}/{method}",
            request_serializer=lambda message: message.SerializeToString(),
            response_deserializer=messages.ModelStreamInferResponse.FromString,
        )
        return begin(timeout=seconds, metadata=metadata)

    def forget(self) -> None:
        """Drop a connection whose loop is gone."""
        self._channel = None
        self._calls.clear()

    def disown(self) -> None:
        """gRPC's threads are gone in a process that was forked."""
        if self._channel is not None:
            raise RuntimeError(
                f"a client of {self.base} cannot be used after a fork: make one in each process"
            )

    async def close(self) -> None:
        """Close the connection; calls that run are cancelled."""
        channel, self._channel = self._channel, None
        self._calls.clear()
        if channel is not None:
            await channel.close()

    def _metadata(self, headers: Mapping[str, str]) -> tuple[tuple[str, str], ...]:
        if "host" in lowered(headers):
            raise DeclarationError(
                "gRPC has one host for all calls of a connection: give it to the client,"
                f" AsyncInferenceClient({self.base!r}, headers={{'Host': ...}})"
            )
        sent = self._headers.of(headers)
        return tuple((name, value) for name, value in sent.items() if name != "host")

    def _open(self) -> grpc.aio.Channel:
        if self._channel is None:
            options: list[tuple[str, Any]] = [
                ("grpc.max_receive_message_length", self._limit),
                ("grpc.max_send_message_length", self._limit),
                ("grpc.initial_reconnect_backoff_ms", 100),
                ("grpc.max_reconnect_backoff_ms", 2000),
                ("grpc.enable_retries", 0),
            ]
            if self._headers.host:
                options.append(("grpc.default_authority", self._headers.host))
            if self._secure:
                credentials = grpc.ssl_channel_credentials(self._ca)
                self._channel = grpc.aio.secure_channel(self._address, credentials, options)
            else:
                self._channel = grpc.aio.insecure_channel(self._address, options)
        return self._channel

    def _call(self, method: str, answer: Any) -> Any:
        if method not in self._calls:
            self._calls[method] = self._open().unary_unary(
                f"/{messages.SERVICE}/{method}",
                request_serializer=lambda message: message.SerializeToString(),
                response_deserializer=answer.FromString,
            )
        return self._calls[method]

    def failure(self, error: grpc.aio.AioRpcError, url: str, deadline: Deadline) -> Exception:
        """What a status means: an umbel error, or ``Unanswered``."""
        code, text = error.code(), error.details() or ""
        if code is grpc.StatusCode.DEADLINE_EXCEEDED:
            left = deadline.left()
            if left is not None and left <= _DUE_S:
                return deadline.passed(url)
            return Unanswered(DeadlineExceeded(f"{url}: {text}"))
        if code is grpc.StatusCode.UNAVAILABLE:
            return Unanswered(RequestFailed(f"{url} does not answer: {text}"))
        status = answered_status(code)
        if status is None:
            return RequestFailed(f"{url}: {code.name}: {text}")
        return answered(status, text.encode(), "text/plain", url)
