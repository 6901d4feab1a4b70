"""A graph gives what its functions give when called by hand, fused or with its nodes apart."""

from __future__ import annotations

import asyncio
import pickle
from dataclasses import replace
from random import Random
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from generated_graphs import Broken, Recipe, by_hand, declare, random_recipe
from umbel.graph import passes
from umbel.graph.checks import check
from umbel.graph.errors import NodeFailed
from umbel.graph.findings import has_errors
from umbel.graph.inference import infer
from umbel.graph.ir import Graph, Node, Program
from umbel.graph.plan import Plan
from umbel.graph.steps import GraphName
from umbel.nodes.loaded import Handle
from umbel.nodes.request_context import RequestContext
from umbel.serving.engine import Engine
from umbel.serving.local_backend import LocalBackend

vectors = st.lists(st.integers(0, 1000), min_size=3, max_size=3).map(np.array)
recipes = st.randoms(use_true_random=False).map(random_recipe)


class FarNode:
    """A node in another process, as far as values can tell: they are pickled both ways."""

    inline = False

    def __init__(self, node: Handle) -> None:
        self._node = node

    async def __call__(self, values: dict[str, Any], context: RequestContext) -> Any:
        await asyncio.sleep(0)
        arrived = pickle.loads(pickle.dumps(values))
        return pickle.loads(pickle.dumps(await self._node(arrived, RequestContext(context.id))))


class FarBackend(LocalBackend):
    """Every node apart."""

    def handle(self, graph: Graph, node: Node) -> Any:
        return FarNode(super().handle(graph, node))


async def run(plan: Plan, x: Any, y: Any, backend: LocalBackend, *, times: int = 1) -> Any:
    await backend.start(node for graph in plan.program for node in graph.nodes.values())
    try:
        engine = Engine(plan, backend)
        for _ in range(times):
            outputs = await engine.run(GraphName("top"), {"x": x, "y": y}, RequestContext())
        assert len(asyncio.all_tasks()) == 1
        return outputs["output"] if list(outputs) == ["output"] else outputs
    finally:
        await backend.close()


def outcome(plan: Plan, x: Any, y: Any, backend: LocalBackend, *, times: int = 1) -> Any:
    try:
        return as_lists(asyncio.run(run(plan, x, y, backend, times=times)))
    except NodeFailed as error:
        return error.node


def as_lists(result: Any) -> Any:
    if isinstance(result, dict):
        return {key: np.asarray(value).tolist() for key, value in result.items()}
    return np.asarray(result).tolist()


def expected(recipe: Recipe, x: Any, y: Any) -> Any:
    try:
        return as_lists(by_hand(recipe, x, y))
    except Broken:
        return "broken"


def checked(recipe: Recipe) -> Program:
    program = infer(declare(recipe, "top").program())
    assert not has_errors(check(program))
    return program


@settings(max_examples=80)
@given(recipes, vectors, vectors)
def test_a_graph_gives_what_its_functions_give(recipe: Recipe, x: Any, y: Any) -> None:
    plan = passes.plan(checked(recipe))
    assert outcome(plan, x, y, LocalBackend()) == expected(recipe, x, y)


@settings(max_examples=40)
@given(recipes, vectors, vectors)
def test_nodes_apart_give_the_same(recipe: Recipe, x: Any, y: Any) -> None:
    plan = passes.plan(checked(recipe))
    assert outcome(plan, x, y, FarBackend()) == expected(recipe, x, y)


@settings(max_examples=40)
@given(recipes, vectors, vectors)
def test_no_pass_changes_a_result(recipe: Recipe, x: Any, y: Any) -> None:
    program = checked(recipe)
    for count in range(len(passes.PASSES) + 1):
        plan = Plan(program)
        for _, one in passes.PASSES[:count]:
            plan = one(plan)
        assert outcome(plan, x, y, LocalBackend()) == expected(recipe, x, y)


@settings(max_examples=25)
@given(recipes, vectors, vectors)
def test_quick_nodes_that_moved_to_the_event_loop_give_the_same(
    recipe: Recipe, x: Any, y: Any
) -> None:
    plan = passes.plan(checked(recipe))
    assert outcome(plan, x, y, LocalBackend(), times=5) == expected(recipe, x, y)


@pytest.mark.parametrize("seed", range(12))
def test_the_python_call_gives_the_same(seed: int) -> None:
    recipe = replace(random_recipe(Random(seed), breaks=False))
    x, y = np.arange(3), np.arange(3) * 17
    assert as_lists(declare(recipe, "top").local(x, y)) == expected(recipe, x, y)
