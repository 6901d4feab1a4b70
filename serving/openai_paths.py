"""``/openai/v1/...``: OpenAI's API over the model of a graph that is one model.

A request goes to the model's own methods, since no step of a graph could take its place: a
graph with further steps does not offer these paths.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Awaitable, Callable
from typing import Any

from umbel.graph.errors import NotFound, UmbelError
from umbel.graph.implementations import ModelFile, PythonClass, PythonCode
from umbel.graph.ir import Graph, Node
from umbel.graph.steps import Call, Input
from umbel.nodes.item_streams import END, Items
from umbel.nodes.openai_methods import PART, offered
from umbel.nodes.openai_requests import OpenAiRefusal
from umbel.nodes.request_context import NodeCall, RequestContext
from umbel.serving.answer_stream import AnswerStream
from umbel.serving.engine import Engine
from umbel.serving.node_failures import as_failure
from umbel.serving.protocols import openai_bodies, v1
from umbel.serving.protocols.server_sent_events import DONE, HEADERS, event
from umbel.serving.stream_replies import streamed
from umbel.serving.wire import JSON, Reply, WireRequest

log = logging.getLogger("umbel")

ROOT = "/openai/v1"

METHODS = {
    f"{ROOT}/completions": "create_completion",
    f"{ROOT}/chat/completions": "create_chat_completion",
    f"{ROOT}/embeddings": "create_embedding",
    f"{ROOT}/rerank": "create_rerank",
}
"""Path → the model's method that answers it."""

Handler = Callable[[WireRequest], Awaitable[Reply]]


def model_node(graph: Graph) -> Node | None:
    """The node that is the whole graph: one call, or a class's three in KServe's order."""
    called = {step.node for step in graph.steps if isinstance(step, Call)}
    if not all(type(step) in (Call, Input) for step in graph.steps):
        return None
    nodes = [graph.nodes[name] for name in called]
    if len(nodes) == 1:
        return nodes[0] if _may_offer(nodes[0]) else None
    classes = [node for node in nodes if isinstance(node.code, PythonClass)]
    references = {node.code.reference for node in classes if isinstance(node.code, PythonClass)}
    if len(classes) != len(nodes) or len(references) != 1:
        return None
    return next((n for n in classes if getattr(n.code, "method", "") == "predict"), None)


def _may_offer(node: Node) -> bool:
    code = node.code
    if isinstance(code, ModelFile):
        return code.format == "huggingface"
    if isinstance(code, PythonCode):
        return bool(code.method and offered(code.target))
    return isinstance(code, PythonClass)


class OpenAiPaths:
    """The paths of one graph; ``offered`` is false where it has none."""

    def __init__(self, engine: Engine, graph: Graph, model: str) -> None:
        self._graph, self._model, self._created = graph, model, int(time.time())
        self._node = model_node(graph)
        self._handle: Any = None if self._node is None else engine.handle(graph, self._node)
        methods = getattr(self._handle, "openai_methods", None)
        self._methods = tuple(METHODS.values()) if methods is None else methods
        self.offered = self._node is not None and bool(self._methods)

    @property
    def methods(self) -> tuple[str, ...]:
        """What the model has of OpenAI's API."""
        return self._methods if self.offered else ()

    def routes(self, when_ready: Callable[[Handler], Handler]) -> dict[str, dict[str, Handler]]:
        """Path → HTTP method → handler."""
        if not self.offered:
            return {}
        answers = {
            path: {"POST": when_ready(self._answering(method))} for path, method in METHODS.items()
        }
        models: dict[str, Handler] = {"GET": self._models}
        one: dict[str, Handler] = {"GET": when_ready(self._one_model)}
        return {f"{ROOT}/models": models, f"{ROOT}/models/{self._model}": one, **answers}

    async def _models(self, request: WireRequest) -> Reply:
        return openai_bodies.answer_reply(openai_bodies.model_list([self._model], self._created))

    async def _one_model(self, request: WireRequest) -> Reply:
        return openai_bodies.answer_reply(openai_bodies.model_object(self._model, self._created))

    def _answering(self, method: str) -> Handler:
        async def answer(request: WireRequest) -> Reply:
            try:
                return await self._answer(method, request)
            except Exception as error:
                if not isinstance(error, UmbelError):
                    log.exception("request %s to %r failed", request.context.id, self._graph.name)
                return openai_bodies.error_reply(error, request.context.id)

        return answer

    async def _answer(self, method: str, request: WireRequest) -> Reply:
        context = request.context
        body = v1.parse_json(request.body)
        self._require_model(body)
        stream = AnswerStream(self._parts(method, body, context), context, self._graph.name)
        try:
            first = await stream.next()
        except BaseException:
            await stream.close()
            raise
        if first is not END and first[0] != PART:
            await stream.close()
            return openai_bodies.answer_reply(first[1])
        return await streamed(
            _Resumed(first, stream),
            lambda part: openai_bodies.chunk_event(part[1]),
            lambda error: event(openai_bodies.error_of(error, context.id)[1]),
            dict(HEADERS),
            context,
            DONE,
        )

    def _require_model(self, body: Any) -> None:
        if not isinstance(body, dict):
            raise OpenAiRefusal("expected an object")
        model = body.get("model")
        if not isinstance(model, str):
            raise OpenAiRefusal("you must provide a model parameter", "model")
        if model not in (self._model, self._graph.name):
            raise NotFound(f"The model {model[:100]!r} does not exist: there is {self._model!r}")

    async def _parts(self, method: str, body: Any, context: RequestContext) -> Items:
        """The parts of an answer, with how it went on the request's record."""
        name = self._node.name if self._node else ""
        record = NodeCall(name, name, time.perf_counter(), graph=self._graph.name)
        context.calls.append(record)
        items: Items | None = None
        try:
            items = self._handle.openai(method, body, context)
            async for item in items:
                yield item
        except Exception as error:
            record.outcome = type(error).__name__
            raise as_failure(error, name, context, lambda _: True) from error
        except BaseException:
            record.outcome = "cancelled"
            raise
        finally:
            record.seconds = time.perf_counter() - record.start
            if items is not None:
                await items.aclose()


class _Resumed(AnswerStream):
    """A stream whose first part has been looked at."""

    def __init__(self, first: Any, stream: AnswerStream) -> None:
        self._first: list[Any] = [first]
        self._stream = stream

    async def next(self) -> Any:
        """The next part, or ``END``."""
        return self._first.pop() if self._first else await self._stream.next()

    async def close(self) -> None:
        """End the code that yields."""
        await self._stream.close()


async def answer_root(
    endpoints: dict[str, Callable[[WireRequest], Awaitable[Reply]]], request: WireRequest
) -> Reply:
    """KServe's shape: the paths at the server's root, the model named in the body. ``endpoints``
    has what answers for each model that offers them."""
    try:
        if request.path.rstrip("/") == f"{ROOT}/models" and request.method == "GET":
            body = openai_bodies.model_list(sorted(endpoints), int(time.time()))
            return Reply(200, openai_bodies.answer_reply(body).body, dict(JSON))
        named: Any = request.path.removeprefix(f"{ROOT}/models/")
        if named == request.path:
            parsed = v1.parse_json(request.body) if request.body else {}
            named = parsed.get("model") if isinstance(parsed, dict) else ""
        if not isinstance(named, str) or not named:
            raise OpenAiRefusal("you must provide a model parameter", "model")
        answer = endpoints.get(named)
        if answer is None:
            known = ", ".join(sorted(endpoints)) or "none"
            raise NotFound(f"The model {named[:100]!r} does not exist; there are: {known}")
    except UmbelError as error:
        return openai_bodies.error_reply(error, request.context.id)
    return await answer(request)
