"""The calls whose answers come item by item, and Triton's generate extension."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import aclosing
from typing import Any
from urllib.parse import quote

from umbel.graph.errors import RequestFailed
from umbel.serving.client import http_events
from umbel.serving.client.connected import Connected
from umbel.serving.client.http_replies import Reply
from umbel.serving.client.http_transport import HttpTransport, infer_path, response_of
from umbel.serving.client.inference_result import InferenceResult, result_of
from umbel.serving.client.request_building import generate_body, infer_request, json_body
from umbel.serving.client.stream_pace import Pace
from umbel.serving.protocols.payload import InferRequest, InferResponse
from umbel.serving.protocols.v2 import infer_request_parts
from umbel.serving.wire import JSON


class StreamedVerbs(Connected):
    """Each gives an async generator, which sends its request when the first item is asked for.

    ``timeout_s`` is the deadline of the whole stream, ``item_timeout_s`` how long to wait for
    one item. An item is read when it is asked for: a slow reader slows the server. Closing the
    generator (``aclose``, leaving ``contextlib.aclosing``) ends the work on the server. After
    the first item nothing is tried again: what goes wrong raises.
    """

    async def infer_stream(  # noqa: PLR0913
        self,
        inputs: Any,
        *,
        model: str | None = None,
        outputs: Sequence[str] = (),
        parameters: Mapping[str, object] | None = None,
        id: str = "",
        binary: bool = True,
        headers: Mapping[str, str] | None = None,
        timeout_s: float | None = None,
        item_timeout_s: float | None = None,
    ) -> AsyncGenerator[InferenceResult, None]:
        """V2 inference of a graph that streams: a result for each item. Over HTTP as server-sent
        events (umbel), over gRPC by ``ModelStreamInfer`` (umbel, Triton's decoupled models). A
        server that does not stream gives one result. Arguments are ``infer``'s."""
        pace, name = Pace(self._deadline(timeout_s), item_timeout_s), self._named(model)
        if not isinstance(inputs, Mapping):
            inputs = {await self._input_name(name, pace.deadline): inputs}
        request = infer_request(inputs, outputs, parameters, id, binary)
        responses = self._responses(name, request, pace, headers or {}, binary)
        async with aclosing(responses):
            async for response in responses:
                yield result_of(response)

    async def predict_stream(
        self,
        instances: Any,
        *,
        model: str | None = None,
        headers: Mapping[str, str] | None = None,
        timeout_s: float | None = None,
        item_timeout_s: float | None = None,
    ) -> AsyncGenerator[Any, None]:
        """V1 ``:predict``: the ``predictions`` of each item. What KServe's own server sends of a
        model that yields has no marks between items: it comes as text, in the pieces that
        arrive."""
        path = f"/v1/models/{quote(self._named(model), safe='')}:predict"
        body, pace = {"instances": instances}, Pace(self._deadline(timeout_s), item_timeout_s)
        replies = self._replies(path, body, pace, headers)
        async with aclosing(replies):
            async for reply in replies:
                yield _predictions(reply, self.url)

    async def call_stream(
        self,
        body: Any,
        *,
        headers: Mapping[str, str] | None = None,
        timeout_s: float | None = None,
        item_timeout_s: float | None = None,
    ) -> AsyncGenerator[Any, None]:
        """POST ``body`` to the URL itself; each event of the answer, as JSON gives it."""
        pace = Pace(self._deadline(timeout_s), item_timeout_s)
        replies = self._replies("", body, pace, headers)
        async with aclosing(replies):
            async for reply in replies:
                yield reply.json(self.url)

    async def generate(
        self,
        inputs: Any,
        *,
        model: str | None = None,
        headers: Mapping[str, str] | None = None,
        timeout_s: float | None = None,
    ) -> dict[str, Any]:
        """Triton's generate: plain JSON both ways. ``inputs``: values by name, or a text, which
        is ``text_input``; the answer to that is in ``["text_output"]``."""
        http, path = self._over_http(), _generate_path(self._named(model), "generate")
        deadline, body = self._deadline(timeout_s), generate_body(inputs)
        return _object(
            await http.ask("POST", path, deadline, body, {**JSON, **(headers or {})}),
            http.base + path,
        )

    async def generate_stream(
        self,
        inputs: Any,
        *,
        model: str | None = None,
        headers: Mapping[str, str] | None = None,
        timeout_s: float | None = None,
        item_timeout_s: float | None = None,
    ) -> AsyncGenerator[dict[str, Any], None]:
        """Triton's ``generate_stream``: an answer like ``generate``'s for each item."""
        path = _generate_path(self._named(model), "generate_stream")
        pace = Pace(self._deadline(timeout_s), item_timeout_s)
        replies = self._replies(path, generate_body(inputs), pace, headers)
        async with aclosing(replies):
            async for reply in replies:
                yield _object(reply, self.url)

    def _replies(
        self, path: str, body: Any, pace: Pace, headers: Mapping[str, str] | None
    ) -> AsyncGenerator[Reply, None]:
        sent = body if isinstance(body, bytes) else json_body(body)
        return http_events.items(self._over_http(), path, pace, sent, {**JSON, **(headers or {})})

    async def _responses(
        self,
        model: str,
        request: InferRequest,
        pace: Pace,
        headers: Mapping[str, str],
        binary: bool,
    ) -> AsyncGenerator[InferResponse, None]:
        transport = self._transport()
        if not isinstance(transport, HttpTransport):
            from umbel.serving.client import grpc_items  # needs the extra

            responses = grpc_items.responses(transport, model, request, pace, headers)
            async with aclosing(responses):
                async for response in responses:
                    yield response
            return
        body, own = infer_request_parts(request, binary=binary)
        path = infer_path(model)
        replies = http_events.items(transport, path, pace, body, {**own, **headers})
        async with aclosing(replies):
            async for reply in replies:
                yield response_of(reply)


def _generate_path(model: str, verb: str) -> str:
    return f"/v2/models/{quote(model, safe='')}/{verb}"


def _predictions(reply: Reply, url: str) -> Any:
    if reply.content_type in ("", "text/plain"):
        return reply.body.decode("utf-8", "replace")
    answer = reply.json(url)
    if not isinstance(answer, dict) or "predictions" not in answer:
        raise RequestFailed(f"{url}: expected predictions in the answer, got none")
    return answer["predictions"]


def _object(reply: Reply, url: str) -> dict[str, Any]:
    found = reply.json(url)
    if not isinstance(found, dict):
        raise RequestFailed(f"{url}: expected an object in the answer")
    return found
