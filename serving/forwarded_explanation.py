"""Requests that go on to a server of its own, and its explain verbs for the graph in front."""

from __future__ import annotations

import re

from umbel.graph.ir import Graph
from umbel.graph.steps import GraphName
from umbel.nodes.forwarding import HttpAnswer, HttpCall
from umbel.serving.engine import Engine
from umbel.serving.explanation_verb import ExplanationVerb
from umbel.serving.inference import run_graph
from umbel.serving.wire import Reply, WireRequest

_EXPLAIN = re.compile(r"/v1/models/[^/]+:explain|/v2/models/[^/]+/explain")


def asks_why(path: str) -> bool:
    """Whether a path is an explain verb, of whatever model."""
    return _EXPLAIN.fullmatch(path.rstrip("/")) is not None


class ForwardedExplanation:
    """The explain verbs of a graph whose explainer is a server of its own."""

    def __init__(self, engine: Engine, name: GraphName) -> None:
        self._engine, self._name = engine, name
        self._port = engine.compiled(name).graph.signature.inputs[0].name

    async def v1(self, request: WireRequest) -> Reply:
        """``POST /v1/models/NAME:explain``, as it came."""
        return await forwarded(self._engine, self._name, self._port, request)

    v2 = v1


async def forwarded(engine: Engine, name: GraphName, port: str, request: WireRequest) -> Reply:
    """The reply of the server that the graph ``name`` is."""
    context = request.context
    headers = context.header_list or tuple(request.headers.items())
    call = HttpCall(request.method, request.path, request.query, headers, request.body)
    answer: HttpAnswer = await run_graph(engine, name, {port: call}, context)
    if answer.stream is None:
        return Reply(answer.status, answer.body, answer.headers)
    return Reply(answer.status, b"", answer.headers, answer.stream)


def explanation_of(
    engine: Engine, graph: Graph, model: str
) -> ExplanationVerb | ForwardedExplanation | None:
    """What answers a graph's explain verbs; None where it has no explainer."""
    if not graph.explainer:
        return None
    if engine.compiled(graph.explainer).graph.interface != "http":
        return ExplanationVerb(engine, graph.explainer, model)
    return ForwardedExplanation(engine, graph.explainer)
