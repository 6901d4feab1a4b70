"""The engine: evaluates a plan's graphs, on demand, over a backend.

Compiled once, run for each request. A chain runs as a plain loop without tasks; steps that
do not depend on each other run as tasks; a step whose node is known to be quick is called on
the spot. Every node call leaves one ``NodeCall`` on the request's context.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any, Protocol

from umbel.graph.errors import DeadlineExceeded, InvalidInput, NotFound, UmbelError
from umbel.graph.ir import Graph
from umbel.graph.plan import Plan
from umbel.graph.steps import GraphName, Input
from umbel.nodes.request_context import RequestContext
from umbel.serving.backends import Backend
from umbel.serving.background import BackgroundCalls
from umbel.serving.blocks import Block, BlockPlanner
from umbel.serving.chained_calls import chains
from umbel.serving.compiled_step import CompiledStep
from umbel.serving.origins import origins
from umbel.serving.scope import MISSING, Scope
from umbel.serving.step_code import compile_step
from umbel.serving.value_operations import OperationFailed


class ServiceCaller(Protocol):
    """Calls a served graph as a client would, without HTTP."""

    async def __call__(
        self, graph: GraphName, path: str, body: Any, context: RequestContext
    ) -> Any:
        """The reply as a ``Message``; a failure is a reply too."""


class CompiledGraph:
    """One graph, ready to run."""

    def __init__(self, graph: Graph, engine: Engine) -> None:
        self.graph = graph
        self.engine = engine
        self.planner = BlockPlanner(graph)
        self.inputs = {
            step.port: i for i, step in enumerate(graph.steps) if isinstance(step, Input)
        }
        self.streams = frozenset(step.id for step in graph.steps if step.type.stream)
        """The steps that give items one by one."""
        self.root = self.planner.block(self.planner.root_targets)
        self.chains = chains(self)
        """The calls that travel together, by the index of the last."""
        self.absorbed = frozenset(
            self.planner.index[call.id] for chain in self.chains.values() for call in chain[:-1]
        )
        self.code: list[CompiledStep] = [
            compile_step(self, i, step) for i, step in enumerate(graph.steps)
        ]
        self.shared = self.planner.shared
        self.outputs = [(name, self.planner.index[ref]) for name, ref in graph.outputs]
        self._origins = origins(graph)

    async def run(
        self,
        inputs: Mapping[str, Any],
        context: RequestContext,
        from_client: frozenset[str] | None = None,
    ) -> dict[str, Any]:
        """The outputs by name. ``from_client`` names the inputs that are the client's own,
        ``None`` for all: what is wrong with those is the client's mistake."""
        own = frozenset(inputs) if from_client is None else from_client
        scope = Scope(len(self.code), context, own)
        for name, value in inputs.items():
            index = self.inputs.get(name)
            if index is not None:
                scope.values[index] = value
        try:
            await self.enter(scope, self.root)
        finally:
            await scope.close()
        values = scope.values
        return {name: values[index] for name, index in self.outputs}

    async def enter(self, scope: Scope, block: Block) -> None:
        """Run what of ``block`` has not run yet."""
        if block.parallel and not all(self._on_the_spot(i) for i in block.waiting):
            await self._run_parallel(scope, block)
            return
        values, code, shared = scope.values, self.code, self.shared
        index = -1
        try:
            for index in block.order:
                if values[index] is not MISSING:
                    continue
                step = code[index]
                if step.compute is not None:
                    values[index] = step.compute(values)
                elif index in shared:
                    await scope.once(index, step.wait)
                else:
                    values[index] = await step.wait(scope)
        except OperationFailed as error:
            raise self._blamed(error, scope, index) from error.__cause__

    def _on_the_spot(self, index: int) -> bool:
        handle = self.code[index].handle
        return handle is not None and handle.inline

    async def _run_parallel(self, scope: Scope, block: Block) -> None:
        """One task for each waiting step, each started when what it needs is there."""
        tasks: dict[int, asyncio.Task[None]] = {}

        async def one(index: int) -> None:
            for need in block.needs[index]:
                await _done(tasks[need])
            self._compute(scope, block.computed[index])
            if scope.values[index] is not MISSING:
                return
            if index in self.shared:
                await scope.once(index, self.code[index].wait)
            else:
                scope.values[index] = await self.code[index].wait(scope)

        for index in block.waiting:
            tasks[index] = asyncio.create_task(one(index))
        await gather_or_cancel(list(tasks.values()))
        self._compute(scope, block.order)

    def _compute(self, scope: Scope, order: tuple[int, ...]) -> None:
        values = scope.values
        for index in order:
            if values[index] is MISSING:
                compute = self.code[index].compute
                if compute is None:
                    continue
                try:
                    values[index] = compute(values)
                except OperationFailed as error:
                    raise self._blamed(error, scope, index) from error.__cause__

    def _blamed(self, error: OperationFailed, scope: Scope, index: int) -> UmbelError:
        return InvalidInput(str(error)) if self.is_clients(scope, index) else error

    def is_clients(self, scope: Scope, index: int) -> bool:
        """Whether a step's value is the client's own, or a part of it."""
        origin = self._origins[index]
        return origin is not None and bool(origin) and origin <= scope.from_client

    def fed_by_client(self, scope: Scope, sources: Mapping[str, int], port: str) -> bool:
        """``is_clients`` of the step that feeds ``port`` of a call, false where none does."""
        return port in sources and self.is_clients(scope, sources[port])


class _Abandoned(Exception):
    """A step this one needs has failed; its own error is the one that counts."""


async def _done(task: asyncio.Task[None]) -> None:
    if not task.done():
        await asyncio.wait([task])
    if task.cancelled() or task.exception() is not None:
        raise _Abandoned


async def gather_or_cancel(tasks: list[asyncio.Task[Any]]) -> None:
    """Wait for all; at the first failure cancel the rest, wait until they have ended, and
    raise it. Of failures in one turn the earliest declared is raised."""
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_EXCEPTION)
    finally:
        pending = [task for task in tasks if not task.done()]
        for task in pending:
            task.cancel()
        if pending:
            await asyncio.wait(pending)
        errors = [task.exception() for task in tasks if task.done() and not task.cancelled()]
    for error in errors:
        if error is not None and not isinstance(error, _Abandoned):
            raise error
    if any(task.cancelled() for task in tasks):
        raise asyncio.CancelledError


class Engine:
    """Runs the graphs of one plan. ``services`` answers ``Service`` steps."""

    def __init__(self, plan: Plan, backend: Backend, services: ServiceCaller | None = None) -> None:
        self.plan, self.backend, self.services = plan, backend, services
        self.handle = backend.handle
        self.background = BackgroundCalls()
        self._compiled: dict[GraphName, CompiledGraph] = {}
        for graph in plan.program:
            self._compiled[graph.name] = CompiledGraph(graph, self)

    async def close(self) -> None:
        """End what still runs in the background. Nodes have to be open until then."""
        await self.background.close()

    def compiled(self, name: GraphName) -> CompiledGraph:
        """The graph called ``name``. Raises ``NotFound``."""
        graph = self._compiled.get(name)
        if graph is None:
            raise NotFound(f"there is no graph {name!r}")
        return graph

    async def run(
        self, name: GraphName, inputs: Mapping[str, Any], context: RequestContext
    ) -> dict[str, Any]:
        """Run a graph to its outputs by name, within the request's deadline.

        Raises ``DeadlineExceeded`` when it passes; whatever was running is cancelled.
        """
        remaining = context.remaining()
        if remaining is None:
            return await self.compiled(name).run(inputs, context)
        if remaining <= 0:
            raise DeadlineExceeded("the deadline had passed before the graph started")
        try:
            return await asyncio.wait_for(self.compiled(name).run(inputs, context), remaining)
        except asyncio.TimeoutError as error:
            raise DeadlineExceeded(f"no answer from {name!r} within {remaining:.3f} s") from error
