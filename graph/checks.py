"""Everything that can be known to be wrong with a program before it runs.

Each check is a pure function from a program to findings; ``check`` runs all of them.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import unquote, urlsplit

from umbel.graph.edge_types import misfit
from umbel.graph.findings import Finding
from umbel.graph.implementations import ModelFile
from umbel.graph.inference import ports_of
from umbel.graph.ir import Graph, Program, called_graphs
from umbel.graph.options import NodeOptions
from umbel.graph.placement_checks import placement_findings
from umbel.graph.steps import Call, Ensemble, GraphName, Input, Split, Step, StepId, Subgraph
from umbel.graph.streams import stream_findings
from umbel.graph.value_types import ANY, Dim

_NAME = re.compile(r"[A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?")
_RESERVED = frozenset({"v1", "v2", "docs", "openapi.json", "metrics", "openai", "-"})

Check = Callable[[Program], Iterator[Finding]]


def check(program: Program) -> list[Finding]:
    """All findings, in the order of the checks; what is wrong with a node of several graphs comes
    once. The program's types are inferred already."""
    return list(dict.fromkeys(finding for one in CHECKS for finding in one(program)))


def _names(program: Program) -> Iterator[Finding]:
    for name in program.served:
        graph = program.graphs[name]
        if not _NAME.fullmatch(name) or name in _RESERVED:
            yield Finding(
                "error",
                "UMB-G201",
                f"{name!r} cannot be a path: a graph's name has letters, digits, '-', '_' and '.'"
                f" and is none of {', '.join(sorted(_RESERVED))}",
                graph.place,
                'give it another one: @inference_graph(name="...")',
                name,
            )


def _edges(program: Program) -> Iterator[Finding]:
    graphs = dict(program.graphs)
    for graph in program:
        types = {step.id: step.type for step in graph.steps}
        for step in graph.steps:
            signature = ports_of(step, graph, graphs)
            if signature is None or not isinstance(step, (Call, Subgraph)):
                continue
            callee = step.node if isinstance(step, Call) else step.graph
            ports = {port.name: port.type for port in signature.inputs}
            bound: dict[str, Dim] = {}
            for port, source in step.args:
                reason = misfit(types.get(source, ANY), ports.get(port, ANY), bound)
                if reason:
                    yield Finding(
                        "error",
                        "UMB-G210",
                        f"input {port!r} of {callee!r} is fed by {source!r}: {reason}",
                        step.place,
                        f"change the annotation of {callee!r} or {source!r}, or put a "
                        "transformer between them",
                        callee,
                    )


def _joins(program: Program) -> Iterator[Finding]:
    for graph in program:
        types = {step.id: step.type for step in graph.steps}
        for step in graph.steps:
            if not isinstance(step, Ensemble) or step.combine not in ("mean", "vote"):
                continue
            typed = [(name, types.get(ref, ANY)) for name, ref in step.branches]
            for (name, type_), (other, other_type) in itertools.pairwise(typed):
                reason = misfit(other_type, type_, {}) or misfit(type_, other_type, {})
                if reason and type_.is_tensor and other_type.is_tensor and "dtype" not in reason:
                    yield Finding(
                        "error",
                        "UMB-G214",
                        f"branches {name!r} and {other!r} cannot be joined by {step.combine}: "
                        f"{type_} and {other_type}",
                        step.place,
                        'give them one shape, or use combine="concatenate" or "dict"',
                        graph.name,
                    )


def _step_references(program: Program) -> Iterator[Finding]:
    for graph in program:
        known = {step.id for step in graph.steps}
        for step in graph.steps:
            for ref in step.reads():
                if ref not in known:
                    yield Finding(
                        "error",
                        "UMB-G211",
                        f"step {step.id!r} reads {ref!r}, which does not exist",
                        step.place,
                        f"there are: {', '.join(sorted(known))}",
                        graph.name,
                    )


def _step_cycles(program: Program) -> Iterator[Finding]:
    for graph in program:
        cycle = find_cycle({str(s.id): [str(r) for r in s.reads()] for s in graph.steps})
        if cycle:
            yield Finding(
                "error",
                "UMB-G212",
                f"steps need each other: {' → '.join(cycle)}",
                graph.place,
                "break the circle",
                graph.name,
            )


def _graph_cycles(program: Program) -> Iterator[Finding]:
    cycle = find_cycle({str(g.name): [str(c) for c in called_graphs(g)] for g in program})
    if cycle:
        graph = program.graphs[GraphName(cycle[0])]
        calls = [s for s in graph.steps if isinstance(s, Subgraph) and s.graph == cycle[1]]
        yield Finding(
            "error",
            "UMB-G213",
            f"graphs call each other without end: {' → '.join(cycle)}",
            calls[0].place if calls else graph.place,
            "a graph may not reach itself: take one of these calls out",
            cycle[0],
        )


def find_cycle(edges: dict[str, list[str]]) -> list[str]:
    """One cycle as a path that ends where it starts, or an empty list. Iterative."""
    state: dict[str, int] = {}
    for start, first in edges.items():
        if state.get(start):
            continue
        path: list[str] = [start]
        stack = [iter(first)]
        state[start] = 1
        while stack:
            ref = next(stack[-1], None)
            if ref is None:
                state[path.pop()] = 2
                stack.pop()
            elif state.get(ref) == 1:
                return [*path[path.index(ref) :], ref]
            elif ref in edges and not state.get(ref):
                state[ref] = 1
                path.append(ref)
                stack.append(iter(edges[ref]))
    return []


def needed(graph: Graph) -> set[StepId]:
    """Every step that some output may need."""
    steps: dict[StepId, Step] = {step.id: step for step in graph.steps}
    stack = [ref for _, ref in graph.outputs]
    found: set[StepId] = set()
    while stack:
        ref = stack.pop()
        if ref not in found and ref in steps:
            found.add(ref)
            stack += steps[ref].reads()
    return found


def _unused(program: Program) -> Iterator[Finding]:
    for graph in program:
        if not graph.outputs or graph.interface != "tensors":
            continue
        used = needed(graph)
        for step in graph.steps:
            if step.id in used or not isinstance(step, (Call, Subgraph, Input)):
                continue
            if isinstance(step, Input):
                what, fix = f"input {step.port!r} is never used", "use it or drop the parameter"
            else:
                what = f"the result of {step.id!r} is never used, so it never runs"
                fix = "return it, pass it on, or drop the call"
            yield Finding("warning", "UMB-G220", what, step.place, fix, graph.name)


def _weights(program: Program) -> Iterator[Finding]:
    for graph in program:
        for step in graph.steps:
            if not isinstance(step, Split):
                continue
            weights = [share.weight for share in step.shares]
            if sum(weights) != 100 and graph.interface == "tensors":
                yield Finding(
                    "error",
                    "UMB-G230",
                    f"the weights of a splitter sum to {sum(weights)}, not 100: {weights}",
                    step.place,
                    "change them so that they sum to 100",
                    graph.name,
                )


def _models(program: Program) -> Iterator[Finding]:
    for graph in program:
        for node in graph.nodes.values():
            code = node.code
            if not isinstance(code, ModelFile):
                continue
            parts = urlsplit(code.uri)
            path = unquote(parts.path) if parts.scheme == "file" else code.uri
            if "://" in path or graph.interface != "tensors":
                continue
            if not Path(path).expanduser().exists():
                yield Finding(
                    "error",
                    "UMB-G240",
                    f"the {code.format} model is not there: {code.uri}",
                    node.place,
                    "train or fetch it first, or correct its address",
                    node.name,
                )


def _options(program: Program) -> Iterator[Finding]:
    for graph in program:
        for node in graph.nodes.values():
            for what, fix in option_problems(node.options):
                yield Finding("error", "UMB-G250", what, node.place, fix, node.name)


def option_problems(options: NodeOptions) -> Iterator[tuple[str, str]]:
    """What contradicts itself in a node's options, each with a fix."""
    batch, scale, resources = options.batch, options.scale, options.resources
    if batch and batch.max_size < 1:
        yield f"Batch(max_size={batch.max_size}) is below 1", "use 1 or more"
    if batch and batch.max_wait_ms < 0:
        yield f"Batch(max_wait_ms={batch.max_wait_ms}) is negative", "use 0 or more"
    if scale and (scale.min < 0 or scale.ceiling < max(scale.min, 1)):
        yield (
            f"Scale(min={scale.min}, max={scale.max}) leaves no room",
            "use 0 <= min <= max and max >= 1",
        )
    if scale and scale.target is not None and scale.target <= 0:
        yield f"Scale(target={scale.target}) is not positive", "use a positive load per replica"
    if options.timeout_s is not None and options.timeout_s <= 0:
        yield f"timeout_s={options.timeout_s} leaves no time for a call", "use a positive number"
    if isinstance(options.retries, int) and options.retries < 0:
        yield f"retries={options.retries} is negative", "use 0 or more"
    for name, amount in (("cpus", resources.cpus or 0), ("gpus", resources.gpus)):
        if amount < 0:
            yield f"{name}={amount} is negative", "use 0 or more"
    if resources.gpus > 1 and resources.gpus != int(resources.gpus):
        yield f"gpus={resources.gpus}: above 1 only whole GPUs can be had", "use a whole number"
    if options.fuse == "always" and (scale or options.env):
        yield 'fuse="always" contradicts scale or env of the node\'s own', "drop one of them"


CHECKS: tuple[Check, ...] = (
    _names, _joins, _step_references, _step_cycles, _graph_cycles, _edges, _unused, _weights,
    _models, _options, placement_findings, stream_findings,
)  # fmt: skip
