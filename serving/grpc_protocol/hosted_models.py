"""The models of a ``GraphHost`` in this process, as a front calls them."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Iterable
from contextlib import aclosing

from umbel.nodes.request_context import RequestContext
from umbel.serving.http_app import Endpoints
from umbel.serving.pool_endpoint import AnyEndpoint
from umbel.serving.protocols.error_bodies import model_not_found


class HostedModels:
    """Models by the name of their graph, or by the name they go by themselves."""

    def __init__(self, endpoints: Endpoints) -> None:
        self._endpoints = endpoints

    def names(self) -> Iterable[str]:
        """The graphs' names."""
        return self._endpoints.names()

    async def answer(
        self, model: str, method: str, request: bytes, context: RequestContext
    ) -> bytes:
        """One of ``model_methods.METHODS``. Raises NotFound for an unknown model."""
        from umbel.serving.grpc_protocol import model_methods  # needs the extra

        endpoint = self._endpoints.get(model) or self._by_own_name(model)
        if endpoint is None:
            raise model_not_found(model)
        return await model_methods.answer(endpoint, method, request, context)

    async def answers(
        self, model: str, request: bytes, context: RequestContext
    ) -> AsyncGenerator[bytes, None]:
        """The responses to one request of a stream. Raises NotFound for an unknown model."""
        from umbel.serving.grpc_protocol.stream_infer import stream_infer  # needs the extra

        endpoint = self._endpoints.get(model) or self._by_own_name(model)
        if endpoint is None:
            raise model_not_found(model)
        async with aclosing(stream_infer(endpoint, request, context)) as answers:
            async for answer in answers:
                yield answer

    def _by_own_name(self, model: str) -> AnyEndpoint | None:
        every = (self._endpoints.get(name) for name in self._endpoints.names())
        return next((one for one in every if one is not None and one.serves(model)), None)
