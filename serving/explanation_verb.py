"""``:explain`` of V1, and the same in V2's form, for one graph that explains.

A V1 request may carry ``parameters`` beside its instances, a V2 request has them anyway. With
``Accept: image/svg+xml`` or ``image/png`` the answer is the picture itself.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from umbel.graph.errors import InvalidInput, RequestFailed
from umbel.graph.explainer_definitions import PARAMETERS
from umbel.graph.implementations import LibraryExplainer
from umbel.graph.steps import GraphName
from umbel.graph.value_types import Signature
from umbel.serving.engine import Engine
from umbel.serving.inference import Inference, run_graph
from umbel.serving.protocols import binding, v1, v2
from umbel.serving.protocols.json_bodies import encode_json
from umbel.serving.protocols.payload import InferResponse, Tensor
from umbel.serving.wire import JSON, Reply, WireRequest

PICTURES = {"image/svg+xml": "svg", "image/png": "png"}
"""Media type → the picture that a caller asks for with it."""


class ExplanationVerb:
    """The explain verbs of a graph. ``model`` is the name on the wire of what is explained."""

    def __init__(self, engine: Engine, name: GraphName, model: str) -> None:
        self._engine, self._name, self._model = engine, name, model
        self._inference = Inference(engine, name, model)
        graph = engine.compiled(name).graph
        self._by_library = graph.interface == "tensors" and any(
            isinstance(node.code, LibraryExplainer) for node in graph.nodes.values()
        )
        signature = graph.signature
        own = tuple(port for port in signature.inputs if port.name != PARAMETERS)
        self._explained: Signature = replace(signature, inputs=own)
        self._takes_parameters = len(own) < len(signature.inputs)

    async def v1(self, request: WireRequest) -> Reply:
        """``POST /v1/models/NAME:explain``."""
        if not self._by_library:
            return await self._inference.predict(request, explain=True)
        parsed = v1.decode_predict(request.body)
        if isinstance(parsed.value, list) and not parsed.value:
            inputs: dict[str, Any] = {self._explained.inputs[0].name: []}
        else:
            inputs = binding.bind_v1(parsed, self._explained)
        picture = wanted_picture(request)
        found = await self._found(request, inputs, parsed.body.get(PARAMETERS), picture)
        if picture:
            return _as_picture(found)
        return Reply(200, v1.encode_explanations(found), dict(JSON))

    async def v2(self, request: WireRequest) -> Reply:
        """``POST /v2/models/NAME/explain``: one BYTES tensor, a JSON text for each explanation."""
        if not self._by_library:
            return await self._inference.infer(request)
        length = request.headers.get("inference-header-content-length")
        parsed = v2.decode_infer_request(
            request.body, request.headers.get("content-type", ""), length
        )
        picture = wanted_picture(request)
        inputs = binding.bind_v2(parsed, self._explained)
        asked = {k: v for k, v in parsed.parameters.items() if k not in _OF_THE_PROTOCOL}
        found = await self._found(request, inputs, asked or None, picture)
        if picture:
            return _as_picture(found)
        each = found.get("explanations") if isinstance(found, Mapping) else None
        texts = [encode_json(one) for one in (each if isinstance(each, list) else [found])]
        elements = np.empty(len(texts), dtype=object)
        elements[:] = texts
        tensor = Tensor("explanation", "BYTES", (len(texts),), elements, {"content_type": "str"})
        response = InferResponse(self._model, (tensor,), parsed.id or request.context.id)
        body, headers = v2.encode_infer_response(response, parsed)
        return Reply(200, body, headers)

    async def _found(
        self, request: WireRequest, inputs: dict[str, Any], parameters: object, picture: str
    ) -> Any:
        if picture:
            parameters = {**(parameters if isinstance(parameters, Mapping) else {})}
            parameters["picture"] = picture
        if parameters is not None:
            if not self._takes_parameters:
                raise InvalidInput(f"{self._model!r} takes no parameters for an explanation")
            inputs[PARAMETERS] = parameters
        return await run_graph(self._engine, self._name, inputs, request.context)


_OF_THE_PROTOCOL = frozenset({"binary_data_output", "content_type"})
"""V2 parameters that are about the wire."""


def wanted_picture(request: WireRequest) -> str:
    """The picture that the first known media type of ``Accept`` asks for, empty for none."""
    for part in request.headers.get("accept", "").split(","):
        kind = part.partition(";")[0].strip().lower()
        if kind in PICTURES:
            return PICTURES[kind]
        if kind == JSON["content-type"]:
            return ""
    return ""


def _as_picture(found: Any) -> Reply:
    picture = found.get("picture") if isinstance(found, Mapping) else None
    if not isinstance(picture, Mapping):
        several = isinstance(found, Mapping) and "explanations" in found
        if several:
            raise InvalidInput("one picture is of one instance: send one, or accept JSON")
        raise RequestFailed("the explanation came without a picture")
    kind, data = str(picture["content_type"]), str(picture["data"])
    body = data.encode() if kind == "image/svg+xml" else base64.b64decode(data)
    return Reply(200, body, {"content-type": kind})
