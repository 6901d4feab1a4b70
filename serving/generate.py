"""Triton's generate extension: plain JSON in and out, ``generate`` and ``generate_stream``.

The body has the inputs by name at its top level; ``text_input`` stands for the only input,
whatever its name, and the answer is then ``text_output``. ``generate_stream`` answers with an
event for each item, ``generate`` with all items: texts joined to one, others as a list.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from umbel.graph.errors import InvalidInput
from umbel.graph.value_types import Port
from umbel.nodes.descriptions import describe, listing
from umbel.nodes.item_streams import from_iterable
from umbel.serving.answer_stream import AnswerStream
from umbel.serving.inference import Inference
from umbel.serving.protocols import binding, results, v1
from umbel.serving.protocols.json_bodies import encode_json
from umbel.serving.protocols.metadata import output_name
from umbel.serving.stream_inference import StreamInference
from umbel.serving.stream_replies import events
from umbel.serving.wire import JSON, Reply, WireRequest

TEXT_INPUT, TEXT_OUTPUT = "text_input", "text_output"


class Generate:
    """The two verbs over a graph's inference."""

    def __init__(self, inference: Inference) -> None:
        self._inference = inference
        self._ports = {port.name: port for port in inference.signature.inputs}

    async def whole(self, request: WireRequest) -> Reply:
        """``POST …/generate``."""
        body = _read(request.body)
        stream = await self._open(body, request)
        items = await stream.rest()
        if not isinstance(self._inference, StreamInference):
            (value,) = items
        else:
            texts = [item for item in items if isinstance(item, str)]
            value = "".join(texts) if items and len(texts) == len(items) else items
        return Reply(200, self._encoded(value, body), dict(JSON))

    async def stream(self, request: WireRequest) -> Reply:
        """``POST …/generate_stream``."""
        body = _read(request.body)
        stream = await self._open(body, request)
        return await events(stream, lambda item: self._encoded(item, body), request.context)

    async def _open(self, body: dict[str, Any], request: WireRequest) -> AnswerStream:
        inputs = self._bound(body)
        if isinstance(self._inference, StreamInference):
            return await self._inference.open(inputs, request.context)
        result = await self._inference.run(inputs, request.context)
        return AnswerStream(from_iterable([result]), request.context, self._inference.name)

    def _bound(self, body: dict[str, Any]) -> dict[str, Any]:
        given = {key: value for key, value in body.items() if key not in ("id", "parameters")}
        parameters = body.get("parameters") or {}
        if not isinstance(parameters, dict):
            raise InvalidInput(f'expected "parameters" to be an object, got {describe(parameters)}')
        given.update(parameters)
        if TEXT_INPUT in given and TEXT_INPUT not in self._ports and len(self._required()) == 1:
            given[self._required()[0]] = given.pop(TEXT_INPUT)
        unknown = [name for name in given if name not in self._ports]
        missing = [name for name in self._required() if name not in given]
        if unknown or missing:
            what = f"unknown: {listing(unknown)}" if unknown else f"missing: {listing(missing)}"
            raise InvalidInput(f"expected inputs {listing(list(self._ports))}; {what}")
        values = {name: _unrolled(value, self._ports[name]) for name, value in given.items()}
        return binding.bind_v1(v1.V1Request("inputs", values, {}), self._inference.signature)

    def _required(self) -> list[str]:
        required = [name for name, port in self._ports.items() if port.required]
        return required or list(self._ports)[:1]

    def _encoded(self, value: Any, body: dict[str, Any]) -> bytes:
        head: dict[str, Any] = {"model_name": self._inference.model}
        if body.get("id"):
            head["id"] = body["id"]
        signature = self._inference.signature
        (first, *others) = signature.outputs
        if others or signature.keyed:
            outputs = results.named_outputs(value, signature)
            return encode_json({**head, **{name: _alone(one) for name, one in outputs.items()}})
        is_text = TEXT_INPUT in body or first.type.form == "str" or isinstance(value, str)
        name = TEXT_OUTPUT if is_text else output_name(first, signature)
        return encode_json({**head, name: _alone(value)})


def _read(body: bytes) -> dict[str, Any]:
    parsed = v1.parse_json(body)
    if not isinstance(parsed, dict):
        raise InvalidInput(f"expected an object with the inputs by name, got {describe(parsed)}")
    return parsed


def _unrolled(value: Any, port: Port) -> Any:
    """One value where a tensor is expected stands for a tensor of one."""
    plain = isinstance(value, (str, int, float, bool))
    return [value] if plain and port.type.is_tensor and port.type.shape != () else value


def _alone(value: Any) -> Any:
    """A tensor of one element as that element."""
    if isinstance(value, np.ndarray):
        value = value.tolist()
    return value[0] if isinstance(value, list) and len(value) == 1 else value
