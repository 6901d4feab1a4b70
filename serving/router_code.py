"""What runs the message steps: KServe's router, on the engine.

Every rule is that of KServe 0.20's router (``cmd/router/main.go``), also where its
documentation says otherwise. A *failure* (no reply at all) is an exception here; any HTTP
status is a ``Message``.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from umbel.graph import conditions
from umbel.graph.errors import NoBranchMatched, RequestFailed, UpstreamAnswered
from umbel.graph.router_steps import (
    Merge,
    PathExists,
    Predict,
    PredictionsToInstances,
    Route,
    Sequence,
    Service,
)
from umbel.graph.steps import Step
from umbel.nodes import go_json
from umbel.nodes.header_rules import HeaderRules
from umbel.nodes.messages import Message, timed_out
from umbel.nodes.request_context import NodeCall
from umbel.serving.blocks import Block
from umbel.serving.call_policy import message_policy
from umbel.serving.compiled_step import CompiledStep
from umbel.serving.protocols.json_bodies import encode_json
from umbel.serving.protocols.v1 import parse_json
from umbel.serving.scope import Scope

if TYPE_CHECKING:
    from umbel.serving.engine import CompiledGraph


def _predictions(graph: CompiledGraph, index: int, step: PredictionsToInstances) -> CompiledStep:
    source = graph.planner.index[step.source]

    def compute(values: list[Any]) -> Message:
        message: Message = values[source]
        mapped = go_json.predictions_to_instances(message.body)
        return message if mapped is None else Message(mapped)

    return CompiledStep(compute=compute)


def _exists(graph: CompiledGraph, index: int, step: PathExists) -> CompiledStep:
    source, path, strict = graph.planner.index[step.source], step.path, step.strict

    def compute(values: list[Any]) -> bool:
        body = values[source].body
        if not conditions.valid(body):
            if strict:
                raise RequestFailed("invalid response")
            return False
        return conditions.exists(body, path)

    return CompiledStep(compute=compute)


def _sequence(graph: CompiledGraph, index: int, step: Sequence) -> CompiledStep:
    planner, at = graph.planner, graph.planner.index
    done = planner.ancestors(index)
    stages = []
    for stage in step.stages:
        condition = None
        if stage.condition is not None:
            condition = planner.block([at[stage.condition]], done)
            done = done | planner.ancestors(at[stage.condition]) | {at[stage.condition]}
        stages.append((condition, planner.block([at[stage.value]], done), stage))
        done = done | planner.ancestors(at[stage.value]) | {at[stage.value]}

    async def wait(scope: Scope) -> Message:
        last: Message | None = None
        for condition, value, stage in stages:
            if condition is not None:
                if last is None:
                    raise RequestFailed("invalid response")
                await graph.enter(scope, condition)
                if not scope.values[condition.targets[0]]:
                    return Message(last.body, 200, last.content_type)
            await graph.enter(scope, value)
            if stage.shadow:
                continue
            reply: Message = scope.values[value.targets[0]]
            if stage.hard and not reply.ok:
                return reply
            last = reply
        if last is None:
            raise RequestFailed("a sequence without steps has no answer")
        return last

    return CompiledStep(wait=wait)


def _merge(graph: CompiledGraph, index: int, step: Merge) -> CompiledStep:
    planner = graph.planner
    done = planner.ancestors(index)
    parts = [
        (part.name, planner.block([planner.index[part.value]], done), part.hard)
        for part in step.parts
    ]

    async def fetch(scope: Scope, block: Block) -> tuple[Any, int]:
        await graph.enter(scope, block)
        message: Message = scope.values[block.targets[0]]
        return go_json.decode_object(message.body), message.status

    async def wait(scope: Scope) -> Message:
        tasks = [asyncio.create_task(fetch(scope, block)) for _, block, _ in parts]
        _let_end(tasks)
        try:
            merged: dict[str, Any] = {}
            for task, (name, _, hard) in zip(tasks, parts, strict=True):
                decoded, status = await _unless_failed(task, tasks)
                if hard and not 200 <= status < 300:
                    return Message(go_json.encode(decoded), status)
                merged[name] = decoded
            return Message(go_json.encode(merged))
        except asyncio.CancelledError:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            raise

    return CompiledStep(wait=wait)


_under_way: set[asyncio.Task[Any]] = set()
"""Branches that may outlive their reply: an early reply does not cut off the other calls."""


def _let_end(tasks: list[asyncio.Task[tuple[Any, int]]]) -> None:
    for task in tasks:
        _under_way.add(task)
        task.add_done_callback(_ended)


def _ended(task: asyncio.Task[Any]) -> None:
    _under_way.discard(task)
    if not task.cancelled():
        task.exception()  # looked at, so that asyncio does not report it


async def _unless_failed(
    task: asyncio.Task[tuple[Any, int]], others: list[asyncio.Task[tuple[Any, int]]]
) -> tuple[Any, int]:
    """The result of ``task``; a failure of any of ``others`` meanwhile is raised instead."""
    while not task.done():
        await asyncio.wait(
            [one for one in others if not one.done()], return_when=asyncio.FIRST_COMPLETED
        )
        for one in others:
            if one.done() and not one.cancelled() and one.exception() is not None:
                one.result()
    return task.result()


def _route(graph: CompiledGraph, index: int, step: Route) -> CompiledStep:
    source = graph.planner.index[step.source]

    async def wait(scope: Scope) -> Message:
        callee = graph.engine.compiled(step.graph)
        (port,) = callee.inputs
        try:
            outputs = await callee.run({port: scope.values[source]}, scope.context)
        except NoBranchMatched as error:
            raise RequestFailed(str(error)) from error
        result: Message = outputs["output"]
        return result

    return CompiledStep(wait=wait)


def _service(graph: CompiledGraph, index: int, step: Service) -> CompiledStep:
    source, policy = graph.planner.index[step.source], message_policy(step.retry)
    rules = HeaderRules(step.forward_headers)

    async def call(scope: Scope) -> Message:
        services = graph.engine.services
        if services is None:
            raise RequestFailed(f"service {step.graph!r} cannot be called here")
        context = scope.context.for_service(rules.select(scope.context.header_list))
        answer = services(step.graph, step.path, scope.values[source], context)
        try:
            reply: Message = await asyncio.wait_for(answer, step.timeout_s)
        except asyncio.TimeoutError as error:
            raise RequestFailed(timed_out(step.graph)) from error
        return reply

    async def wait(scope: Scope) -> Message:
        record = NodeCall(step.id, step.graph, time.perf_counter(), graph=graph.graph.name)
        try:
            if policy is None:
                reply = await call(scope)
            else:
                reply = await policy.run(lambda: call(scope), scope.context, record)
            record.outcome = "ok" if reply.ok else str(reply.status)
            return reply
        finally:
            record.seconds = time.perf_counter() - record.start
            scope.context.calls.append(record)

    return CompiledStep(wait=wait)


def _predict(graph: CompiledGraph, index: int, step: Predict) -> CompiledStep:
    source = graph.planner.index[step.source]

    async def wait(scope: Scope) -> Any:
        services = graph.engine.services
        if services is None:
            raise RequestFailed(f"service {step.graph!r} cannot be called here")
        body = Message(encode_json(scope.values[source]))
        reply: Message = await services(step.graph, "", body, scope.context)
        if not reply.ok:
            raise UpstreamAnswered(reply.status, reply.body, reply.content_type)
        return parse_json(reply.body)

    return CompiledStep(wait=wait)


ROUTER_KINDS: dict[type[Step], Callable[..., CompiledStep]] = {
    PredictionsToInstances: _predictions,
    PathExists: _exists,
    Sequence: _sequence,
    Merge: _merge,
    Route: _route,
    Service: _service,
    Predict: _predict,
}
