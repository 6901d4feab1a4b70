"""Explanations on the engine: what an explainer calls when it predicts, and where that runs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from umbel.graph.errors import RequestFailed, UpstreamAnswered
from umbel.graph.ir import Graph, Program
from umbel.graph.plan import Plan
from umbel.graph.steps import Call, Explain, GraphName, Input, NodeName, StepId
from umbel.nodes import forms
from umbel.nodes.descriptions import describe
from umbel.nodes.messages import Message
from umbel.nodes.predicting import predicting
from umbel.nodes.request_context import RequestContext
from umbel.serving.compiled_step import CompiledStep
from umbel.serving.graph_outputs import as_answer
from umbel.serving.node_failures import as_failure
from umbel.serving.protocols.json_bodies import encode_json
from umbel.serving.protocols.v1 import parse_json
from umbel.serving.scope import Scope

if TYPE_CHECKING:
    from umbel.serving.engine import CompiledGraph, Engine


class GraphPredictor:
    """Calls a graph of an engine with batches, on behalf of one request. Arrays go in and come
    out as they are; a graph of whole bodies gets V1 requests."""

    def __init__(self, engine: Engine, name: GraphName, context: RequestContext) -> None:
        self._callee = engine.compiled(name)
        self._context = _own_record(context)

    @property
    def blocking(self) -> bool:
        """Whether all that the graph waits for are nodes of this process that only block."""
        callee = self._callee
        return (
            not callee.root.parallel
            and not callee.shared
            and all(
                step.compute is not None
                or isinstance(declared, Input)
                or getattr(step.handle, "blocking", False)
                for declared, step in zip(callee.graph.steps, callee.code, strict=True)
            )
        )

    async def __call__(self, batch: Any, *, from_client: bool = False) -> Any:
        graph = self._callee.graph
        if len(graph.signature.inputs) != 1:
            names = [port.name for port in graph.signature.inputs]
            raise RequestFailed(
                f"a graph of one input can be explained; {graph.name!r} has {names}"
            )
        port = graph.signature.inputs[0]
        if graph.interface == "tensors":
            value = forms.convert(batch, port.type, f"input {port.name!r}")
            return as_answer(await self._run({port.name: value}, from_client))
        document = {"instances": batch}
        if graph.interface == "payload":
            plain = parse_json(encode_json(document))
            return _predictions(as_answer(await self._run({port.name: plain}, from_client)))
        message: Message = as_answer(
            await self._run({port.name: Message(encode_json(document))}, from_client)
        )
        if not message.ok:
            raise UpstreamAnswered(message.status, message.body, message.content_type)
        return _predictions(parse_json(message.body))

    async def _run(self, inputs: dict[str, Any], from_client: bool) -> dict[str, Any]:
        own = None if from_client else frozenset[str]()
        return await self._callee.run(inputs, self._context, own)


class NodePredictor:
    """Calls a node of the explainer's own graph with batches."""

    def __init__(self, graph: CompiledGraph, node: NodeName, context: RequestContext) -> None:
        declared = graph.graph.nodes[node]
        self._handle = graph.engine.handle(graph.graph, declared)
        self._port = declared.signature.inputs[0].name
        self._name, self._context = node, _own_record(context)

    @property
    def blocking(self) -> bool:
        """See ``GraphPredictor``."""
        return bool(getattr(self._handle, "blocking", False))

    async def __call__(self, batch: Any, *, from_client: bool = False) -> Any:
        try:
            return await self._handle({self._port: batch}, self._context)
        except Exception as error:
            raise as_failure(error, self._name, self._context, lambda _: from_client) from error


def _own_record(context: RequestContext) -> RequestContext:
    """The same request with a record of its own: thousands of calls are no path of a client's."""
    return RequestContext(context.id, context.deadline, context.headers, context.header_list)


def _predictions(answer: Any) -> Any:
    """What a body answers: V1's predictions, or the only output of V2."""
    if isinstance(answer, dict) and "predictions" in answer:
        return np.asarray(answer["predictions"])
    if isinstance(answer, dict) and isinstance(answer.get("outputs"), list) and answer["outputs"]:
        output = answer["outputs"][0]
        return np.asarray(output["data"]).reshape(output["shape"])
    raise RequestFailed(f"what is explained answered without predictions: {describe(answer)}")


def explain_step(
    call: Callable[..., CompiledStep], graph: CompiledGraph, index: int, step: Explain
) -> CompiledStep:
    """``call`` compiled for ``step``, with the predictor that the step names."""
    called = call(graph, index, step)

    async def wait(scope: Scope) -> Any:
        predictor = (
            GraphPredictor(graph.engine, step.graph, scope.context)
            if step.graph
            else NodePredictor(graph, step.predictor, scope.context)
        )
        with predicting(predictor):
            return await called.wait(scope)

    return CompiledStep(wait=wait)


def explained_by(plan: Plan, graph: GraphName, node: NodeName) -> Plan | None:
    """What the explainer ``node`` explains, as a plan of its own that serves one graph, for an
    explainer in a replica of its own; ``None`` for a node that explains nothing.

    Nodes with replicas of their own stay there; what is fused elsewhere is loaded once more, so
    that thousands of predictions do not queue with the clients' own.
    """
    declared = plan.program.graphs[graph]
    steps = (s for s in declared.steps if isinstance(s, Explain) and s.node == node)
    step = next(steps, None)
    if step is None:
        return None
    if step.predictor:
        alone = _graph_of(declared, step.predictor)
        deployments = tuple(
            replace(d, graph=alone.name)
            for d in plan.deployments
            if d.graph == graph and step.predictor in d.nodes
        )
        return Plan(Program({alone.name: alone}, (alone.name,)), deployments)
    graphs = {name: replace(g, explainer=None) for name, g in plan.program.graphs.items()}
    program = Program(graphs, ()).only(step.graph)
    return Plan(program, tuple(d for d in plan.deployments if d.graph in program.graphs))


def _graph_of(graph: Graph, node: NodeName) -> Graph:
    """A graph that calls the one node."""
    declared = graph.nodes[node]
    port = declared.signature.inputs[0]
    given = Input(id=StepId(port.name), port=port.name, type=port.type, place=declared.place)
    answer = Call(id=StepId("output"), node=node, args=((port.name, given.id),))
    return Graph(
        name=GraphName(f"{graph.name}/{node}"),
        nodes={node: declared},
        steps=(given, answer),
        outputs=(("output", answer.id),),
        signature=replace(declared.signature, inputs=(port,)),
        place=declared.place,
    )
