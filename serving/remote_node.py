"""The engine's handle of a node that lives in another deployment."""

from __future__ import annotations

import contextlib
import pickle
from typing import Any

from umbel.graph.value_types import Signature
from umbel.nodes.item_streams import Items, is_stream
from umbel.nodes.request_context import RequestContext
from umbel.serving.chained_calls import ChainOutcome, Link
from umbel.serving.deep_values import as_text, is_too_deep
from umbel.serving.neutral_pickling import Parcel, on_host, tensor_on_host
from umbel.serving.ray_streams import remote_items
from umbel.serving.request_wire import to_wire, too_deep_is_told
from umbel.serving.travelling_streams import StreamMark, received, without_streams

LARGE = 8 * 1024 * 1024
"""Bytes of arrays from which a call goes through Ray's object store: below, gRPC is quicker."""


class RemoteNode:
    """The engine's handle of a node in another deployment. ``mixed``: environments differ."""

    inline = False
    signature: Signature | None = None
    """What the model told of itself where it was loaded, once it is known."""

    def __init__(self, node: str, deployment: Any, mixed: bool = False) -> None:
        self._node, self._mixed = node, mixed
        self.place = str(deployment.deployment_id)
        self._chain = deployment.chain
        self._chain_by_reference = deployment.options(_by_reference=True).chain
        streaming = deployment.options(stream=True)
        self._stream, self._openai = streaming.stream, streaming.openai

    def stream(self, values: dict[str, Any], context: RequestContext) -> Items:
        """The items of a node that yields."""
        if any(map(is_stream, values.values())):
            return self._fed(values, context)
        return remote_items(self._stream, self._node, self._sent(values), to_wire(context))

    async def _fed(self, values: dict[str, Any], context: RequestContext) -> Items:
        """The items of a node that yields and reads streams."""
        async with without_streams(values, context, self._node, self._packed) as marked:
            sent = self._sent(marked)
            items = remote_items(self._stream, self._node, sent, to_wire(context))
            async with contextlib.aclosing(items):
                async for item in items:
                    yield item

    def openai(self, method: str, body: object, context: RequestContext) -> Items:
        """The parts of the node's answer to a request of OpenAI's API."""
        return remote_items(self._openai, self._node, method, body, to_wire(context))

    async def __call__(self, values: dict[str, Any], context: RequestContext) -> Any:
        if any(map(is_stream, values.values())):
            async with without_streams(values, context, self._node, self._packed) as marked:
                outcome = await self.chain([Link(self._node, "", marked)], context)
        else:
            outcome = await self.chain([Link(self._node, "", values)], context)
        if outcome.error is not None:
            raise outcome.error
        return outcome.value

    async def chain(self, links: list[Link], context: RequestContext) -> ChainOutcome:
        """Several nodes of the deployment in one trip."""
        large = any(_are_large(link.values) for link in links)
        call = self._chain_by_reference if large else self._chain
        sent = [(link.node, link.port, self._sent(link.values)) for link in links]
        try:
            done, value, seconds = await call.remote(sent, to_wire(context))
        except (RecursionError, pickle.PicklingError) as error:
            if not is_too_deep(error):
                raise
            done, value, seconds = await self._deep_chain(links, context)
        if isinstance(value, StreamMark):
            value = received(value)
        return ChainOutcome(value, None, seconds) if done else ChainOutcome(None, value, seconds)

    async def _deep_chain(self, links: list[Link], context: RequestContext) -> Any:
        """``chain`` with values that pickle does not take, as texts."""
        sent = [
            (link.node, link.port, {port: as_text(value) for port, value in link.values.items()})
            for link in links
        ]
        with too_deep_is_told(links[0].node):
            return await self._chain.remote(sent, to_wire(context), deep=True)

    def _sent(self, values: dict[str, Any]) -> Any:
        sent = on_host(values)
        return Parcel(sent) if self._mixed else sent

    def _packed(self, item: Any) -> Any:
        item = tensor_on_host(item)
        return Parcel(item) if self._mixed else item


def _are_large(values: dict[str, Any]) -> bool:
    return sum(getattr(value, "nbytes", 0) for value in values.values()) > LARGE
