"""Consecutive calls of nodes that live in one deployment: one trip instead of one for each.

Where a node's value is read by nothing but the next node, and both stand in the same replica
apart from the graph's, the value need not travel to the graph's replica and back. The last
call of such a chain carries them all; the others are absorbed by it. A tensor on a GPU stays
there between them.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, Protocol, TypeGuard, cast, runtime_checkable

from umbel.graph.ir import Graph
from umbel.graph.steps import Call, Constant, Input, Step, StepId
from umbel.nodes.request_context import NodeCall, RequestContext
from umbel.serving.call_policy import policy_of
from umbel.serving.compiled_step import CompiledStep
from umbel.serving.node_failures import as_failure
from umbel.serving.scope import Scope

if TYPE_CHECKING:
    from umbel.serving.blocks import BlockPlanner
    from umbel.serving.engine import CompiledGraph


@dataclass(frozen=True, slots=True)
class Link:
    """One call of a chain on its way: ``port`` takes the value of the link before, and
    ``values`` are those of its other ports."""

    node: str
    port: str
    values: dict[str, Any]


@dataclass(frozen=True, slots=True)
class ChainOutcome:
    """``value`` of the last link that ran, or the ``error`` that it raised; ``seconds`` of each
    link that began."""

    value: Any
    error: BaseException | None
    seconds: tuple[float, ...]


@runtime_checkable
class Chaining(Protocol):
    """A handle that can carry on where it is. Handles with equal ``place`` share replicas."""

    @property
    def place(self) -> str:
        """Names the replicas behind the handle."""

    async def chain(self, links: list[Link], context: RequestContext) -> ChainOutcome:
        """Run the links one after the other, in one replica."""


def chains(graph: CompiledGraph) -> dict[int, tuple[Call, ...]]:
    """The chains by the index of their last step, each with two calls at least."""
    steps, planner = graph.graph.steps, graph.planner
    readers = _readers(graph.graph)
    before: dict[StepId, Call] = {}
    for step in steps:
        if not _may_chain(step, graph):
            continue
        for _, ref in step.args:
            first = steps[planner.index[ref]]
            if (
                _may_chain(first, graph)
                and readers[first.id] == [step.id]
                and _place(graph, first) == _place(graph, step)
                and _rest_is_ready(planner, graph.graph, first, step)
            ):
                before[step.id] = first
                break
    followed = {call.id for call in before.values()}
    found = {}
    for last in steps:
        if last.id not in before or last.id in followed:
            continue
        chain = [before[last.id], cast(Call, last)]
        while chain[0].id in before:
            chain.insert(0, before[chain[0].id])
        found[planner.index[last.id]] = tuple(chain)
    return found


def compile_chain(graph: CompiledGraph, calls: tuple[Call, ...]) -> CompiledStep:
    """The step that makes all calls of a chain, and gives the value of the last."""
    first, at = calls[0], graph.planner.index
    handle: Any = graph.engine.handle(graph.graph, graph.graph.nodes[first.node])
    feeds = []
    for previous, call in zip((None, *calls[:-1]), calls, strict=True):
        came = None if previous is None else previous.id
        port = next((p for p, ref in call.args if ref == came), "")
        feeds.append((call, port, [(p, at[ref]) for p, ref in call.args if ref != came]))

    async def wait(scope: Scope) -> Any:
        links = [
            Link(call.node, port, {p: scope.values[i] for p, i in others})
            for call, port, others in feeds
        ]
        start, outcome = time.perf_counter(), None
        try:
            outcome = await handle.chain(links, scope.context)
        finally:
            _record(graph.graph.name, calls, start, outcome, scope.context)
        if outcome.error is None:
            return outcome.value
        call, _, others = feeds[len(outcome.seconds) - 1]
        is_clients = partial(graph.fed_by_client, scope, dict(others))
        raise as_failure(outcome.error, call.node, scope.context, is_clients) from outcome.error

    return CompiledStep(wait=wait)


async def absorbed(scope: Scope) -> Any:
    """What a call does whose work a later one of its chain does."""
    return None


def _record(
    graph: str,
    calls: tuple[Call, ...],
    start: float,
    outcome: ChainOutcome | None,
    context: RequestContext,
) -> None:
    """One record for each link that began: its own time, and the trip's on the last."""
    whole = time.perf_counter() - start
    seconds = outcome.seconds if outcome is not None else (whole,)
    travelled = max(0.0, whole - sum(seconds))
    for number, (call, own) in enumerate(zip(calls, seconds, strict=False)):
        last = number == len(seconds) - 1
        record = NodeCall(call.id, call.node, start, own + travelled * last, graph=graph)
        if last and outcome is None:
            record.outcome = "cancelled"
        elif last and outcome is not None and outcome.error is not None:
            record.outcome = type(outcome.error).__name__
        context.calls.append(record)


def _readers(graph: Graph) -> dict[StepId, list[StepId]]:
    readers: dict[StepId, list[StepId]] = {step.id: [] for step in graph.steps}
    for step in graph.steps:
        for ref in step.reads():
            readers[ref].append(step.id)
    for _, ref in graph.outputs:
        readers[ref].append(StepId(""))
    return readers


def _may_chain(step: Step, graph: CompiledGraph) -> TypeGuard[Call]:
    """A plain call: no time limit or retries of its own, no stream, not an explainer's."""
    if type(step) is not Call or policy_of(graph.graph.nodes[step.node].options) is not None:
        return False
    streams = step.id in graph.streams or any(ref in graph.streams for ref in step.reads())
    return not streams and bool(_place(graph, step))


def _place(graph: CompiledGraph, step: Call) -> str:
    handle = graph.engine.handle(graph.graph, graph.graph.nodes[step.node])
    return handle.place if isinstance(handle, Chaining) else ""


def _rest_is_ready(planner: BlockPlanner, graph: Graph, first: Call, second: Call) -> bool:
    """Whether ``first`` waits for nothing more if it waits for all that ``second`` needs."""
    known = planner.ancestors(planner.index[first.id])
    for _, ref in second.args:
        given = isinstance(graph.steps[planner.index[ref]], Input | Constant)
        if ref != first.id and not given and planner.index[ref] not in known:
            return False
    return sum(ref == first.id for _, ref in second.args) == 1
