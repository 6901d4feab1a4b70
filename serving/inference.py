"""From a request body to a reply body, for one graph: bind, run, encode.

One function for each protocol's inference verb. Each is a thin line over the engine, and
none knows about HTTP paths.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from umbel.graph import conditions
from umbel.graph.errors import InvalidInput, NotImplementedHere, UpstreamAnswered
from umbel.graph.steps import GraphName
from umbel.graph.value_types import Signature
from umbel.nodes.descriptions import describe, listing
from umbel.nodes.messages import Message
from umbel.nodes.request_context import RequestContext, enter, leave
from umbel.serving.answer_stream import joined
from umbel.serving.content_sniffing import sniffed_type
from umbel.serving.engine import Engine
from umbel.serving.graph_outputs import as_answer
from umbel.serving.payload_replies import payload_reply, whole
from umbel.serving.protocols import binding, results, v1, v2
from umbel.serving.protocols.cloudevents import decode_cloudevent, encode_cloudevent
from umbel.serving.protocols.json_bodies import encode_json
from umbel.serving.protocols.payload import InferRequest, InferResponse
from umbel.serving.protocols.v2_reading import HEADER_LENGTH, split_body
from umbel.serving.wire import JSON, Reply, WireRequest

_JSON_TYPE = JSON["content-type"]

_LENGTH = HEADER_LENGTH.lower()


async def run_graph(
    engine: Engine, name: GraphName, inputs: dict[str, Any], context: RequestContext
) -> Any:
    """The graph's single output, or its outputs by name."""
    token = enter(context)
    try:
        outputs = await engine.run(name, inputs, context)
    finally:
        leave(token)
    return as_answer(outputs)


class Inference:
    """The inference verbs of one graph. ``model`` is its name on the wire."""

    def __init__(self, engine: Engine, name: GraphName, model: str) -> None:
        self.engine, self.name, self.model = engine, name, model
        graph = engine.compiled(name).graph
        self.interface = graph.interface
        self.signature: Signature = graph.signature

    @property
    def documented(self) -> Signature:
        """The signature of whole answers, for documents."""
        return self.signature

    async def predict(self, request: WireRequest, *, explain: bool = False) -> Reply:
        """V1 ``:predict``, as plain JSON or as a CloudEvent in and out."""
        return await self._predict(request, explain=explain)

    async def _predict(
        self, request: WireRequest, *, explain: bool = False, document: object = None
    ) -> Reply:
        """``document`` is the body as JSON where it has been parsed already."""
        event = decode_cloudevent(request.headers, request.body)
        if event is not None and isinstance(event.data, bytes):
            raise InvalidInput("Unrecognized request format: the event's data is not JSON")
        if event is not None:
            parsed = v1.read_predict(event.data)
        elif self.interface == "payload" and not _is_json(request):
            result = await self.run({self._port(): request.body}, request.context)
            return await payload_reply(result, request, self.name)
        else:
            known = document is not None
            parsed = v1.read_predict(document) if known else v1.decode_predict(request.body)
        if self.interface == "payload":
            result = await self.run({self._port(): dict(parsed.body)}, request.context)
            reply = await payload_reply(result, request, self.name)
        else:
            result = await self.run(binding.bind_v1(parsed, self.signature), request.context)
            body = (
                v1.encode_explanations(result)
                if explain
                else results.v1_body(result, self.signature, parsed)
            )
            reply = Reply(200, body, dict(JSON))
        if event is None:
            return reply
        reply = await joined(reply)
        body, headers = encode_cloudevent(event, self.model, reply.body)
        return Reply(reply.status, body, headers)

    async def infer(self, request: WireRequest) -> Reply:
        """V2 ``infer``, JSON with or without binary tensors."""
        return await self._infer(request, *_v2_parts(request))

    async def _infer(
        self, request: WireRequest, document: dict[str, Any], binary: memoryview
    ) -> Reply:
        parsed = v2.read_infer_request(document, binary)
        if self.interface == "payload":
            if _LENGTH in request.headers:
                raise NotImplementedHere("this model takes V2 requests as plain JSON only")
            result = await self.run({self._port(): document}, request.context)
            return await payload_reply(result, request, self.name)
        response = await self.infer_tensors(parsed, request.context)
        body, headers = v2.encode_infer_response(response, parsed)
        return Reply(200, body, headers)

    async def infer_tensors(self, request: InferRequest, context: RequestContext) -> InferResponse:
        """V2 ``infer``, whatever carried the request. All outputs: whoever encodes the response
        takes those that were asked for. A model of bodies gets the request as V2 JSON."""
        if self.interface == "tensors":
            results.check_requested_outputs(request, self.signature)
            result = await self.run(binding.bind_v2(request, self.signature), context)
            return results.v2_response(
                result, self.signature, model_name=self.model, id=request.id or context.id
            )
        body, headers = v2.encode_infer_request(request)
        if _LENGTH in headers:
            raise NotImplementedHere("this model takes V2 requests as plain JSON only")
        if self.interface == "payload":
            reply = whole(await self.run({self._port(): v1.parse_json(body)}, context))
        else:
            reply = await self.route(WireRequest("POST", "", body, headers, context))
        if reply.status >= 400:
            raise UpstreamAnswered(reply.status, reply.body, reply.headers.get("content-type", ""))
        response = v2.decode_infer_response(reply.body)
        return replace(
            response,
            model_name=response.model_name or self.model,
            id=response.id or request.id or context.id,
        )

    async def call(self, request: WireRequest) -> Reply:
        """``POST /NAME``: a V1 or V2 body, or the graph's inputs by name as one JSON object."""
        if _LENGTH in request.headers:
            return await self.infer(request)
        parsed = v1.parse_json(request.body)
        if isinstance(parsed, dict):
            if _looks_like_v2(parsed):
                return await self._infer(request, parsed, memoryview(b""))
            if ("instances" in parsed or "inputs" in parsed) and not self._named(parsed):
                return await self._predict(request, document=parsed)
        inputs = self._by_name(parsed)
        bound = binding.bind_v1(v1.V1Request("inputs", inputs, {}), self.signature)
        return await self._named_reply(bound, request)

    async def _named_reply(self, inputs: dict[str, Any], request: WireRequest) -> Reply:
        result = await self.run(inputs, request.context)
        outputs = results.named_outputs(result, self.signature)
        return Reply(200, encode_json(outputs), dict(JSON))

    async def route(self, request: WireRequest) -> Reply:
        """The whole body through a graph of messages, as KServe's router does it."""
        message: Message = await self.run({self._port(): Message(request.body)}, request.context)
        kind = _JSON_TYPE if conditions.valid(message.body) else sniffed_type(message.body)
        return Reply(message.status, message.body, {"content-type": kind} if kind else {})

    async def run(self, inputs: dict[str, Any], context: RequestContext) -> Any:
        """The graph's result for inputs that are bound."""
        return await run_graph(self.engine, self.name, inputs, context)

    def _port(self) -> str:
        return self.signature.inputs[0].name

    def _named(self, parsed: dict[str, Any]) -> bool:
        return set(parsed) == {port.name for port in self.signature.inputs}

    def _by_name(self, parsed: Any) -> dict[str, Any]:
        names = [port.name for port in self.signature.inputs]
        if isinstance(parsed, dict) and set(parsed) & set(names):
            return parsed
        if len(names) == 1:
            return {names[0]: parsed}
        if not names and isinstance(parsed, dict):
            return {}
        expected = f"expected a JSON object with keys {listing(names)}"
        raise InvalidInput(f"{expected}, got {describe(parsed)}")


def _v2_parts(request: WireRequest) -> tuple[dict[str, Any], memoryview]:
    """The JSON of a V2 request, and the binary data behind it. Raises InvalidInput."""
    kind = request.headers.get("content-type", "")
    return split_body(request.body, kind, request.headers.get(_LENGTH))


def _looks_like_v2(parsed: dict[str, Any]) -> bool:
    inputs = parsed.get("inputs")
    return (
        isinstance(inputs, list)
        and bool(inputs)
        and all(isinstance(item, dict) and "datatype" in item for item in inputs)
    )


def _is_json(request: WireRequest) -> bool:
    kind = request.headers.get("content-type", "application/json")
    return "json" in kind or kind.startswith(("text/plain", "application/x-www-form-urlencoded"))
