"""Streams along edges: which steps give items one by one, and where a stream cannot go.

A node that yields gives a stream. A step that takes one runs for each item and gives a stream
again, unless the argument is annotated as an iterator: then it gets the stream itself, and
what it returns is a whole value. A stream is read once, by one step.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace

from umbel.graph.findings import Finding
from umbel.graph.ir import Graph, Program
from umbel.graph.steps import (
    Call,
    Ensemble,
    Input,
    Operate,
    Select,
    Split,
    Step,
    StepId,
    Subgraph,
    Switch,
)
from umbel.graph.value_types import ANY, Signature, ValueType

_COLLECT = (
    "collect it first, with a node that takes the stream: def whole(items: Iterator[str]) -> str"
)


def with_stream(step: Step, types: Mapping[StepId, ValueType], called: Signature | None) -> Step:
    """The step, typed as a stream if what it reads makes it one. ``called`` is the signature of
    what it calls."""
    if isinstance(step, (Call, Subgraph)):
        ports = {port.name: port.type for port in called.inputs} if called else {}
        makes = any(
            types.get(ref, ANY).stream and not ports.get(port, ANY).stream
            for port, ref in step.args
        )
    elif isinstance(step, (Switch, Split)):
        makes = any(types.get(ref, ANY).stream for ref in _branches(step))
    else:
        makes = False
    return replace(step, type=replace(step.type, stream=True)) if makes else step


def _branches(step: Switch | Split) -> list[StepId]:
    if isinstance(step, Split):
        return [share.value for share in step.shares]
    return [case.value for case in step.cases] + ([step.otherwise] if step.otherwise else [])


def stream_findings(program: Program) -> Iterator[Finding]:
    """Every place where a stream cannot be."""
    for graph in program:
        streams = {step.id for step in graph.steps if step.type.stream}
        if not streams:
            continue
        yield from _whole_value_needed(graph, streams)
        yield from _several_readers(graph, streams)
        yield from _options(graph)


def _whole_value_needed(graph: Graph, streams: set[StepId]) -> Iterator[Finding]:
    for step in graph.steps:
        read = [ref for ref in step.reads() if ref in streams]
        if isinstance(step, Input) and step.type.stream:
            problem = f"input {step.port!r} is a stream: a client sends its request whole"
            yield _found("UMB-G215", graph, step, problem, "take a list")
        elif isinstance(step, (Select, Operate, Ensemble)) and read:
            problem = f"{step.id!r} needs a whole value, and {read[0]!r} is a stream"
            yield _found("UMB-G215", graph, step, problem, _COLLECT)
        elif isinstance(step, Switch) and any(case.condition in streams for case in step.cases):
            problem = f"a condition of {step.id!r} is a stream, which is neither true nor false"
            yield _found("UMB-G215", graph, step, problem, _COLLECT)
        elif isinstance(step, (Call, Subgraph)) and len(read) > 1:
            problem = f"{step.id!r} takes {len(read)} streams: {', '.join(map(repr, read))}"
            yield _found("UMB-G215", graph, step, problem, _COLLECT)
    ends = [name for name, ref in graph.outputs if ref in streams]
    if ends and len(graph.outputs) > 1:
        problem = f"output {ends[0]!r} is a stream beside other outputs"
        yield _found("UMB-G215", graph, None, problem, "return the stream alone, or collect it")


def _several_readers(graph: Graph, streams: set[StepId]) -> Iterator[Finding]:
    for source in graph.steps:
        if source.id not in streams:
            continue
        readers = [str(step.id) for step in graph.steps if source.id in step.reads()]
        readers += [f"output {name}" for name, ref in graph.outputs if ref == source.id]
        if len(readers) > 1:
            problem = f"the stream {source.id!r} has several readers: {', '.join(readers)}"
            yield _found("UMB-G216", graph, source, problem, f"call its node twice, or {_COLLECT}")


def _options(graph: Graph) -> Iterator[Finding]:
    for node in graph.nodes.values():
        if not any(port.type.stream for port in (*node.signature.inputs, *node.signature.outputs)):
            continue
        for name, option in (("batch", node.options.batch), ("cache", node.options.cache)):
            if option is not None:
                text = f"{name}= does not work with the streams of {node.name!r}"
                fix = f"drop {name}="
                yield Finding("error", "UMB-G250", text, node.place, fix, node.name)


def _found(code: str, graph: Graph, step: Step | None, problem: str, fix: str) -> Finding:
    place = graph.place if step is None else step.place
    return Finding("error", code, problem, place, fix, graph.name)
