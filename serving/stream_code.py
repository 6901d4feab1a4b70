"""Steps that give or take streams, from step to what runs it.

A stream in the engine is an async generator that nobody has started yet: each item is made
when it is asked for, and closing the last stream closes every one before it. A step that takes
single items runs for each item of a stream, in order; one that takes the stream gets it whole.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from umbel.graph.errors import DeadlineExceeded, UmbelError
from umbel.graph.steps import Call, StepId, Subgraph
from umbel.nodes.item_streams import END, Items
from umbel.nodes.loaded import UnfitInput
from umbel.nodes.request_context import NodeCall, RequestContext
from umbel.serving.call_policy import CallPolicy, policy_of
from umbel.serving.compiled_step import CompiledStep
from umbel.serving.graph_outputs import as_step_value
from umbel.serving.node_failures import as_failure
from umbel.serving.scope import Scope

if TYPE_CHECKING:
    from umbel.serving.engine import CompiledGraph

Values = dict[str, Any]


def touches_streams(graph: CompiledGraph, step: Call) -> bool:
    """Whether a call gives or takes a stream."""
    return step.id in graph.streams or any(ref in graph.streams for ref in step.reads())


def compile_stream_call(graph: CompiledGraph, index: int, step: Call) -> CompiledStep:
    """A call of a node that yields, or that reads a stream."""
    node = graph.graph.nodes[step.node]
    handle: Any = graph.engine.handle(graph.graph, node)
    feeds = [(port, graph.planner.index[ref]) for port, ref in step.args]
    types = {port.name: port.type for port in node.signature.inputs}
    name, policy = graph.graph.name, policy_of(node.options)
    mapped = _mapped_port(step.args, graph.streams, {p for p, t in types.items() if t.stream})
    yields = node.signature.outputs[0].type.stream

    async def wait(scope: Scope) -> Any:
        context = scope.context
        record = NodeCall(step.id, step.node, time.perf_counter(), graph=name)
        context.calls.append(record)  # now: a stream outlives the run that made it
        own = frozenset(
            port for port, at in feeds if port != mapped and graph.is_clients(scope, at)
        )
        run = _Run(handle, step.node, context, record, policy, own)
        ready = {port: scope.values[at] for port, at in feeds}
        if mapped is not None:
            once = run.opened if yields else run.called
            return run.recorded(_for_each(ready, mapped, once, flat=yields))
        if yields:
            return run.recorded(await run.opened(ready))
        return await run.whole(ready)

    return CompiledStep(wait=wait)


def compile_stream_subgraph(graph: CompiledGraph, index: int, step: Subgraph) -> CompiledStep:
    """A call of a graph for each item of a stream."""
    feeds = [(port, graph.planner.index[ref]) for port, ref in step.args]
    mapped = _mapped_port(step.args, graph.streams, set())

    async def wait(scope: Scope) -> Any:
        callee = graph.engine.compiled(step.graph)
        own = frozenset(
            port for port, at in feeds if port != mapped and graph.is_clients(scope, at)
        )

        async def once(values: Values) -> Any:
            outputs = await callee.run(values, scope.context, own)
            return as_step_value(outputs, callee.graph.signature)

        ready = {port: scope.values[at] for port, at in feeds}
        flat = callee.graph.signature.outputs[0].type.stream
        return _for_each(ready, mapped or "", once, flat=flat)

    return CompiledStep(wait=wait)


def _mapped_port(
    args: tuple[tuple[str, StepId], ...], streams: frozenset[StepId], takes: set[str]
) -> str | None:
    """The port that gets the items of a stream one by one."""
    return next((port for port, ref in args if ref in streams and port not in takes), None)


async def _for_each(
    ready: Values, port: str, once: Callable[[Values], Awaitable[Any]], *, flat: bool
) -> Items:
    """``once`` for each item of the stream at ``port``. ``flat``: it gives a stream itself, whose
    items follow one another."""
    async with contextlib.aclosing(ready[port]) as source:
        async for item in source:
            value = await once({**ready, port: item})
            if not flat:
                yield value
                continue
            async with contextlib.aclosing(value) as inner:
                async for part in inner:
                    yield part


@dataclass(frozen=True)
class _Run:
    """One run of a step. ``own`` names the ports whose values are the client's own."""

    handle: Any
    node: str
    context: RequestContext
    record: NodeCall
    policy: CallPolicy | None
    own: frozenset[str]

    async def called(self, ready: Values) -> Any:
        """The node's value for one set of values."""
        try:
            if self.policy is None:
                return await self.handle(ready, self.context)
            return await self.policy.run(
                lambda: self.handle(ready, self.context), self.context, self.record
            )
        except Exception as error:
            raise self._failure(error) from error

    async def whole(self, ready: Values) -> Any:
        """The node's value, made of the streams it takes, and how it went on the record."""
        try:
            return await self.called(ready)
        except BaseException as error:
            self._ended(error)
            raise
        finally:
            self.record.seconds = time.perf_counter() - self.record.start

    async def opened(self, ready: Values) -> Items:
        """The node's stream for one set of values. What does not fit raises here."""
        try:
            items: Items = self.handle.stream(ready, self.context)
        except Exception as error:
            raise self._failure(error) from error
        if self.policy is None:
            return self._named(items)
        return self._named(self._patient(items, ready, self.policy))

    async def recorded(self, items: Items) -> Items:
        """The items, with how it went on the request's record."""
        try:
            async with contextlib.aclosing(items):
                async for item in items:
                    yield item
        except BaseException as error:
            self._ended(error)
            raise
        finally:
            self.record.seconds = time.perf_counter() - self.record.start

    def _ended(self, error: BaseException) -> None:
        cancelled = isinstance(error, (asyncio.CancelledError, GeneratorExit))
        cause = error.__cause__ or error
        self.record.outcome = "cancelled" if cancelled else type(cause).__name__

    async def _named(self, items: Items) -> Items:
        try:
            async with contextlib.aclosing(items):
                async for item in items:
                    yield item
        except Exception as error:
            if isinstance(error, UmbelError) and not isinstance(error, UnfitInput):
                raise
            raise self._failure(error) from error

    async def _patient(self, items: Items, ready: Values, policy: CallPolicy) -> Items:
        """Within ``timeout_s`` for each item; further attempts as long as none has come."""
        unused: list[Items] = [items]

        async def first() -> tuple[Items, Any]:
            opened = unused.pop() if unused else self.handle.stream(ready, self.context)
            try:
                return opened, await anext(opened, END)
            except BaseException:
                await opened.aclose()
                raise

        items, item = await policy.run(first, self.context, self.record)
        async with contextlib.aclosing(items):
            while item is not END:
                yield item
                item = await self._in_time(items, policy.timeout_s)

    async def _in_time(self, items: Items, seconds: float | None) -> Any:
        try:
            return await asyncio.wait_for(anext(items, END), seconds)
        except asyncio.TimeoutError as error:
            text = f"no further item from {self.node!r} within {seconds:g} s"
            raise DeadlineExceeded(text) from error

    def _failure(self, error: Exception) -> UmbelError:
        return as_failure(error, self.node, self.context, self.own.__contains__)
