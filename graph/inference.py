"""Types that nobody wrote: an input takes the type its consumers ask for, a nested graph's
value the type of its output."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from umbel.graph.edge_types import misfit, narrower, result_types
from umbel.graph.ir import Graph, Program, called_graphs
from umbel.graph.steps import Call, Explain, GraphName, Input, Step, StepId, Subgraph
from umbel.graph.streams import with_stream
from umbel.graph.value_types import ANY, Dim, Port, Signature, ValueType

_LIST = ValueType("list")
"""What a client sends for an argument that takes a stream."""


def infer(program: Program) -> Program:
    """The program with every input and step typed as far as its nodes' signatures allow."""
    done: dict[GraphName, Graph] = {}
    for name in callees_first(program):
        done[name] = _infer_graph(program.graphs[name], done)
    return replace(program, graphs={name: done[name] for name in program.graphs})


def callees_first(program: Program) -> list[GraphName]:
    """Graph names so that a graph comes after those it calls (cycles are cut somewhere)."""
    order: list[GraphName] = []
    entered: set[GraphName] = set()

    def visit(name: GraphName) -> None:
        if name in entered or name not in program.graphs:
            return
        entered.add(name)
        for callee in called_graphs(program.graphs[name]):
            visit(callee)
        order.append(name)

    for name in program.graphs:
        visit(name)
    return order


def ports_of(step: Step, graph: Graph, known: dict[GraphName, Graph]) -> Signature | None:
    """The signature of what a step calls."""
    if isinstance(step, Call):
        node = graph.nodes.get(step.node)
        return node.signature if node else None
    if isinstance(step, Subgraph):
        callee = known.get(step.graph)
        return callee.signature if callee else None
    return None


def answered(graph: Graph, of: Callable[[GraphName], Graph]) -> Signature:
    """What clients see of a graph: where its only output is the answer of a node with several
    outputs, those. ``of`` gives the graph of a name."""
    signature = graph.signature
    if signature.keyed or len(graph.outputs) != 1 or len(signature.outputs) != 1:
        return signature
    last = next((step for step in graph.steps if step.id == graph.outputs[0][1]), None)
    inner: Signature | None = None
    if isinstance(last, Call):
        node = graph.nodes.get(last.node)
        inner = node.signature if node else None
    elif isinstance(last, Subgraph):
        inner = answered(of(last.graph), of)
    if inner is None or not inner.keyed:
        return signature
    return replace(signature, outputs=inner.outputs, keyed=True)


def _infer_graph(graph: Graph, known: dict[GraphName, Graph]) -> Graph:
    wanted: dict[StepId, ValueType] = {}
    for step in graph.steps:
        signature = ports_of(step, graph, known)
        if signature is None or not isinstance(step, (Call, Subgraph)):
            continue
        types = {port.name: port.type for port in signature.inputs}
        for port, source in step.args:
            if types.get(port, ANY) != ANY:
                type_ = _LIST if types[port].stream else types[port]
                wanted[source] = narrower(wanted.get(source, type_), type_)
        if isinstance(step, Explain):
            wanted.update(_of_the_explained(step, graph, known))
    steps: list[Step] = []
    found: dict[StepId, ValueType] = {}
    for step in graph.steps:
        if isinstance(step, Input) and step.type == ANY and step.id in wanted:
            step = replace(step, type=wanted[step.id])
        elif isinstance(step, (Call, Subgraph)):
            step = _infer_call(step, graph, known, found)
        step = with_stream(step, found, ports_of(step, graph, known))
        found[step.id] = step.type
        steps.append(step)
    inputs = {step.port: step.type for step in steps if isinstance(step, Input)}
    declared = graph.signature
    signature = Signature(
        tuple(replace(port, type=inputs.get(port.name, port.type)) for port in declared.inputs),
        tuple(
            Port(name, port.type if found.get(ref, ANY) == ANY else found[ref])
            for (name, ref), port in zip(graph.outputs, declared.outputs, strict=False)
        )
        or declared.outputs,
        declared.keyed,
    )
    return replace(graph, steps=tuple(steps), signature=signature)


def _of_the_explained(
    step: Explain, graph: Graph, known: dict[GraphName, Graph]
) -> dict[StepId, ValueType]:
    """What is explained has the type that the predictor takes."""
    node, callee = graph.nodes.get(step.predictor), known.get(step.graph)
    explained = node.signature if node else callee.signature if callee else None
    if explained is None or len(explained.inputs) != 1 or not step.args:
        return {}
    type_ = explained.inputs[0].type
    return {} if type_ == ANY else {step.args[0][1]: type_}


def _infer_call(
    step: Call | Subgraph,
    graph: Graph,
    known: dict[GraphName, Graph],
    found: dict[StepId, ValueType],
) -> Step:
    signature = ports_of(step, graph, known)
    if signature is None or len(signature.outputs) != 1 or signature.keyed:
        return step
    types = {port.name: port.type for port in signature.inputs}
    bound: dict[str, Dim] = {}
    for port, source in step.args:
        misfit(found.get(source, ANY), types.get(port, ANY), bound)
    return replace(step, type=result_types(signature, bound, step.id)[0])
