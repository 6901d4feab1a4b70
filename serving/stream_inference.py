"""The inference verbs of a graph whose answer is a stream.

A client that accepts server-sent events gets an event for each item, each with the body that
the verb answers with; any other client gets all items at once, as one list.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from umbel.graph.steps import GraphName
from umbel.graph.value_types import Port, Signature, ValueType
from umbel.nodes.request_context import RequestContext
from umbel.serving.answer_stream import AnswerStream
from umbel.serving.engine import Engine
from umbel.serving.inference import Inference
from umbel.serving.protocols import binding, results, server_sent_events, v1, v2
from umbel.serving.protocols.json_bodies import encode_json
from umbel.serving.protocols.payload import InferRequest, InferResponse
from umbel.serving.stream_replies import events
from umbel.serving.wire import JSON, Reply, WireRequest


class StreamInference(Inference):
    """One item, and all items as a list, have a signature each."""

    def __init__(self, engine: Engine, name: GraphName, model: str) -> None:
        super().__init__(engine, name, model)
        (port,) = self.signature.outputs
        item = replace(port, type=port.type.item)
        self._item = replace(self.signature, outputs=(item,))
        self._whole = replace(self.signature, outputs=(Port(port.name, ValueType("list")),))

    @property
    def documented(self) -> Signature:
        """A list of items: what a client gets that takes no events."""
        return self._whole

    async def open(self, inputs: dict[str, Any], context: RequestContext) -> AnswerStream:
        """The stream of one run; nothing has been asked of it yet."""
        return AnswerStream(await self.run(inputs, context), context, self.name)

    async def _predict(
        self, request: WireRequest, *, explain: bool = False, document: object = None
    ) -> Reply:
        known = document is not None
        parsed = v1.read_predict(document) if known else v1.decode_predict(request.body)
        stream = await self.open(binding.bind_v1(parsed, self.signature), request.context)
        if server_sent_events.accepted(request.headers):
            return await events(
                stream, lambda item: results.v1_body(item, self._item, parsed), request.context
            )
        body = results.v1_body(await stream.rest(), self._whole, parsed)
        return Reply(200, body, dict(JSON))

    async def _infer(
        self, request: WireRequest, document: dict[str, Any], binary: memoryview
    ) -> Reply:
        """A response for each item as an event, or one with all of them."""
        if not server_sent_events.accepted(request.headers):
            return await super()._infer(request, document, binary)
        parsed = v2.read_infer_request(document, binary)
        in_json = replace(
            parsed,
            outputs=tuple(replace(one, binary=False) for one in parsed.outputs),
            binary_output_default=False,
        )
        stream = await self.open(self.bound(parsed), request.context)

        def encode(item: Any) -> bytes:
            return v2.encode_infer_response(self.response(item, parsed, request.context), in_json)[
                0
            ]

        return await events(stream, encode, request.context)

    async def infer_tensors(self, request: InferRequest, context: RequestContext) -> InferResponse:
        """One response with all items, stacked where they are arrays of one shape."""
        items = await (await self.open(self.bound(request), context)).rest()
        return self._response(_stacked(items), self._whole, request, context)

    def bound(self, request: InferRequest) -> dict[str, Any]:
        """The inputs of a V2 request. Raises InvalidInput."""
        results.check_requested_outputs(request, self._item)
        return binding.bind_v2(request, self.signature)

    def response(self, item: Any, request: InferRequest, context: RequestContext) -> InferResponse:
        """The V2 response for one item."""
        return self._response(item, self._item, request, context)

    def _response(
        self, value: Any, signature: Signature, request: InferRequest, context: RequestContext
    ) -> InferResponse:
        return results.v2_response(
            value, signature, model_name=self.model, id=request.id or context.id
        )

    async def _named_reply(self, inputs: dict[str, Any], request: WireRequest) -> Reply:
        stream = await self.open(inputs, request.context)
        if server_sent_events.accepted(request.headers):
            return await events(
                stream,
                lambda item: encode_json(results.named_outputs(item, self._item)),
                request.context,
            )
        outputs = results.named_outputs(await stream.rest(), self._whole)
        return Reply(200, encode_json(outputs), dict(JSON))


def _stacked(items: list[Any]) -> Any:
    shapes = {item.shape for item in items if isinstance(item, np.ndarray)}
    if len(shapes) == 1 and all(isinstance(item, np.ndarray) for item in items):
        return np.stack(items)
    return items
