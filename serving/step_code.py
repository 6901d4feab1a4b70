"""From a step to what runs it: one compile function for each kind, in a table.

Adding a kind of step means one function here (or in ``router_code``, ``message_code``) and one
row.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any

from umbel.graph.errors import NoBranchMatched, UmbelError
from umbel.graph.steps import (
    Call,
    Constant,
    Ensemble,
    Explain,
    Input,
    Operate,
    Select,
    Split,
    Step,
    Subgraph,
    Switch,
)
from umbel.nodes.request_context import NodeCall
from umbel.serving import value_operations
from umbel.serving.call_policy import policy_of
from umbel.serving.chained_calls import absorbed, compile_chain
from umbel.serving.compiled_step import CompiledStep
from umbel.serving.explaining import explain_step
from umbel.serving.graph_outputs import as_step_value
from umbel.serving.message_code import MESSAGE_KINDS
from umbel.serving.node_failures import as_failure
from umbel.serving.router_code import ROUTER_KINDS
from umbel.serving.scope import Scope
from umbel.serving.stream_code import (
    compile_stream_call,
    compile_stream_subgraph,
    touches_streams,
)

if TYPE_CHECKING:
    from umbel.serving.engine import CompiledGraph


def compile_step(graph: CompiledGraph, index: int, step: Step) -> CompiledStep:
    """What runs ``step``. Raises ``TypeError`` for a kind nobody has taught the engine."""
    kind = type(step)
    compiler = _KINDS.get(kind) or ROUTER_KINDS.get(kind) or MESSAGE_KINDS.get(kind)
    if compiler is None:
        raise TypeError(f"the engine cannot run a step of kind {type(step).__name__}")
    return compiler(graph, index, step)


def _input(graph: CompiledGraph, index: int, step: Input) -> CompiledStep:
    default = step.default
    return CompiledStep(compute=lambda values: default)


def _constant(graph: CompiledGraph, index: int, step: Constant) -> CompiledStep:
    value = step.value
    return CompiledStep(compute=lambda values: value)


def _call(graph: CompiledGraph, index: int, step: Call) -> CompiledStep:
    if touches_streams(graph, step):
        return compile_stream_call(graph, index, step)
    if index in graph.chains:
        return compile_chain(graph, graph.chains[index])
    if index in graph.absorbed:
        return CompiledStep(wait=absorbed)
    node = graph.graph.nodes[step.node]
    handle = graph.engine.handle(graph.graph, node)
    feeds = [(port, graph.planner.index[ref]) for port, ref in step.args]
    sources = dict(feeds)
    name, policy = graph.graph.name, policy_of(node.options)

    async def wait(scope: Scope) -> Any:
        values, context = scope.values, scope.context
        record = NodeCall(step.id, step.node, time.perf_counter(), graph=name)
        ready = {port: values[i] for port, i in feeds}
        try:
            if policy is None:
                return await handle(ready, context)
            return await policy.run(lambda: handle(ready, context), context, record)
        except Exception as error:
            record.outcome = type(error).__name__
            is_clients = partial(graph.fed_by_client, scope, sources)
            raise as_failure(error, step.node, context, is_clients) from error
        except BaseException:
            record.outcome = "cancelled"
            raise
        finally:
            record.seconds = time.perf_counter() - record.start
            context.calls.append(record)

    return CompiledStep(wait=wait, handle=handle if policy is None else None)


def _subgraph(graph: CompiledGraph, index: int, step: Subgraph) -> CompiledStep:
    if any(ref in graph.streams for ref in step.reads()):
        return compile_stream_subgraph(graph, index, step)
    feeds = [(port, graph.planner.index[ref]) for port, ref in step.args]

    async def wait(scope: Scope) -> Any:
        inputs = {port: scope.values[i] for port, i in feeds}
        callee = graph.engine.compiled(step.graph)
        from_client = frozenset(port for port, i in feeds if graph.is_clients(scope, i))
        outputs = await callee.run(inputs, scope.context, from_client)
        return as_step_value(outputs, callee.graph.signature)

    return CompiledStep(wait=wait)


def _select(graph: CompiledGraph, index: int, step: Select) -> CompiledStep:
    source, key, where = graph.planner.index[step.source], step.key, step.id
    return CompiledStep(compute=lambda values: value_operations.select(values[source], key, where))


def _operate(graph: CompiledGraph, index: int, step: Operate) -> CompiledStep:
    operands = [graph.planner.index[ref] for ref in step.operands]
    run = value_operations.operation(step.operator, step.id)
    return CompiledStep(compute=lambda values: run(*[values[i] for i in operands]))


def _ensemble(graph: CompiledGraph, index: int, step: Ensemble) -> CompiledStep:
    branches = [(name, graph.planner.index[ref]) for name, ref in step.branches]
    combine = value_operations.combination(step.combine, step.id)
    return CompiledStep(compute=lambda values: combine({name: values[i] for name, i in branches}))


def _switch(graph: CompiledGraph, index: int, step: Switch) -> CompiledStep:
    planner, at = graph.planner, graph.planner.index
    done = planner.ancestors(index)
    cases = []
    for number, case in enumerate(step.cases):
        condition = planner.block([at[case.condition]], done)
        done = done | planner.ancestors(at[case.condition]) | {at[case.condition]}
        cases.append((condition, planner.block([at[case.value]], done), case.name or str(number)))
    last = None if step.otherwise is None else planner.block([at[step.otherwise]], done)

    async def wait(scope: Scope) -> Any:
        for condition, value, name in cases:
            await graph.enter(scope, condition)
            if value_operations.holds(scope.values[condition.targets[0]], step.id):
                return await _take(graph, scope, step.id, value, name)
        if last is None:
            raise NoBranchMatched("None of the routes matched with the switch condition")
        return await _take(graph, scope, step.id, last, "otherwise")

    return CompiledStep(wait=wait)


async def _take(graph: CompiledGraph, scope: Scope, step: str, block: Any, name: str) -> Any:
    scope.context.branches[step] = name
    await graph.enter(scope, block)
    return scope.values[block.targets[0]]


_random = secrets.SystemRandom()


def _split(graph: CompiledGraph, index: int, step: Split) -> CompiledStep:
    planner = graph.planner
    done = planner.ancestors(index)
    shares = [
        (s.weight, planner.block([planner.index[s.value]], done), s.name) for s in step.shares
    ]

    async def wait(scope: Scope) -> Any:
        point, reached = _random.randrange(100), 0
        for weight, block, name in shares:
            reached += weight
            if point < reached:
                return await _take(graph, scope, step.id, block, name)
        raise UmbelError("no route was selected by the splitter")

    return CompiledStep(wait=wait)


_KINDS: dict[type[Step], Callable[..., CompiledStep]] = {
    Input: _input,
    Constant: _constant,
    Call: _call,
    Explain: partial(explain_step, _call),
    Subgraph: _subgraph,
    Select: _select,
    Operate: _operate,
    Ensemble: _ensemble,
    Switch: _switch,
    Split: _split,
}
