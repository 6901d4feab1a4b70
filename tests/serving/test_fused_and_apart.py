"""What happens to a request when a node stalls, and to its neighbours when one is slow: the same
with nodes fused as with nodes apart."""

from __future__ import annotations

import asyncio
import time
from random import Random
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from generated_graphs import declare, random_recipe
from loopback_server import planned
from umbel import Tensor, inference_graph, transformer
from umbel.graph import passes
from umbel.graph.errors import DeadlineExceeded, NodeFailed
from umbel.graph.inference import infer
from umbel.graph.ir import Graph, Node
from umbel.graph.plan import Plan
from umbel.graph.steps import GraphName
from umbel.nodes.loaded import Handle
from umbel.nodes.request_context import RequestContext
from umbel.serving.engine import Engine
from umbel.serving.local_backend import LocalBackend


class Stalling:
    """A handle that never answers, and knows whether it was left."""

    inline = False

    def __init__(self) -> None:
        self.entered = self.left = 0

    async def __call__(self, values: dict[str, Any], context: RequestContext) -> Any:
        self.entered += 1
        try:
            await asyncio.sleep(3600)
        finally:
            self.left += 1


class Far:
    """A handle as to another process: it answers in a later turn of the loop."""

    inline = False

    def __init__(self, handle: Handle) -> None:
        self._handle = handle

    async def __call__(self, values: dict[str, Any], context: RequestContext) -> Any:
        await asyncio.sleep(0)
        return await self._handle(values, context)


class OneStalls(LocalBackend):
    """The node ``victim`` never answers. ``apart``: the others are far away."""

    def __init__(self, victim: str, apart: bool) -> None:
        super().__init__()
        self.victim, self.apart, self.stalled = victim, apart, Stalling()

    def handle(self, graph: Graph, node: Node) -> Any:
        if node.name == self.victim:
            return self.stalled
        handle = super().handle(graph, node)
        return Far(handle) if self.apart else handle


async def outcome(plan: Plan, victim: str, x: Any, *, apart: bool, cancelled: bool) -> str:
    backend = OneStalls(victim, apart)
    await backend.start(node for graph in plan.program for node in graph.nodes.values())
    try:
        context = RequestContext()
        if not cancelled:
            context.deadline = time.monotonic() + 0.05
        run = Engine(plan, backend).run(GraphName("top"), {"x": x, "y": x}, context)
        task = asyncio.create_task(run)
        if cancelled:
            await asyncio.wait([task], timeout=0.05)
            task.cancel()
        try:
            outputs = await task
            return str({key: np.asarray(value).tolist() for key, value in outputs.items()})
        except (DeadlineExceeded, NodeFailed, asyncio.CancelledError) as error:
            return type(error).__name__
        finally:
            assert backend.stalled.entered == backend.stalled.left
            assert len(asyncio.all_tasks()) == 1
    finally:
        await backend.close()


@pytest.mark.parametrize("cancelled", [False, True], ids=["timed out", "cancelled"])
@settings(max_examples=12, deadline=None)
@given(st.randoms(use_true_random=False), st.lists(st.integers(0, 1000), min_size=3, max_size=3))
def test_a_node_that_stalls(cancelled: bool, random: Random, values: list[int]) -> None:
    plan = passes.plan(infer(declare(random_recipe(random), "top").program()))
    names = sorted({node for graph in plan.program for node in graph.nodes})
    victim = random.choice(names) if names else ""
    x = np.array(values)
    found = {
        apart: asyncio.run(outcome(plan, victim, x, apart=apart, cancelled=cancelled))
        for apart in (False, True)
    }
    assert found[False] == found[True]


@transformer
def light(x: Tensor[batch]) -> Tensor[batch]:
    return x + 1


@transformer
def sleeper(x: Tensor[batch]) -> Tensor[batch]:
    time.sleep(0.2)
    return x


@inference_graph
def quick(x):
    return light(light(x))


@inference_graph
def slow(x):
    return light(sleeper(light(x)))


async def slowest_while(sleeping: int) -> float:
    """Seconds that the slowest of many quick requests took while ``sleeping`` slow ones ran."""
    plan, backend = planned(quick, slow), LocalBackend()
    await backend.start(node for graph in plan.program for node in graph.nodes.values())
    engine, one = Engine(plan, backend), np.ones(1)

    async def ask(name: str) -> float:
        start = time.perf_counter()
        await engine.run(GraphName(name), {"x": one}, RequestContext())
        return time.perf_counter() - start

    try:
        for _ in range(20):
            await ask("quick")
        running = [asyncio.create_task(ask("slow")) for _ in range(sleeping)]
        times, end = [], time.perf_counter() + 0.5
        while time.perf_counter() < end:
            times.append(await ask("quick"))
            await asyncio.sleep(0.001)
        assert min(await asyncio.gather(*running)) >= 0.2
        return max(times)
    finally:
        await backend.close()


def test_a_node_that_sleeps_delays_no_other_request() -> None:
    """The best of three: the machine itself may stop for longer."""
    assert min(asyncio.run(slowest_while(8)) for _ in range(3)) < 0.02
