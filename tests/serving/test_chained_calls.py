"""Nodes that share a deployment apart: as few trips as the graph allows, and the same results."""

from __future__ import annotations

import asyncio
import pickle
import time
from random import Random
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from generated_graphs import Broken, by_hand, declare, random_recipe
from loopback_server import planned
from umbel import Tensor, inference_graph, transformer
from umbel.graph import passes
from umbel.graph.errors import DeadlineExceeded, InvalidInput, NodeFailed, UmbelError
from umbel.graph.inference import infer
from umbel.graph.ir import Graph, Node
from umbel.graph.plan import Plan
from umbel.graph.steps import GraphName
from umbel.nodes.loaded import LoadedNode
from umbel.nodes.request_context import RequestContext
from umbel.serving.chained_calls import ChainOutcome, Link
from umbel.serving.engine import Engine
from umbel.serving.local_backend import LocalBackend


class SharedReplica:
    """The handle of a node in a replica with others; every call of it is a trip."""

    inline = False

    def __init__(self, graph: str, name: str, backend: OneReplica) -> None:
        self.place, self._name, self._backend = graph, name, backend

    async def __call__(self, values: dict[str, Any], context: RequestContext) -> Any:
        outcome = await self.chain([Link(self._name, "", values)], context)
        if outcome.error is not None:
            raise outcome.error
        return outcome.value

    async def chain(self, links: list[Link], context: RequestContext) -> ChainOutcome:
        self._backend.trips.append([link.node for link in links])
        await asyncio.sleep(0)
        value, seconds = None, []
        for link in pickle.loads(pickle.dumps(links)):
            start = time.perf_counter()
            given = {**link.values, link.port: value} if link.port else link.values
            try:
                value = await self._backend.by_node[self.place, link.node](given, context)
            except Exception as error:
                known = error if isinstance(error, UmbelError) else NodeFailed(link.node, "")
                seconds.append(time.perf_counter() - start)
                return ChainOutcome(None, known, tuple(seconds))
            seconds.append(time.perf_counter() - start)
        return ChainOutcome(pickle.loads(pickle.dumps(value)), None, tuple(seconds))


class OneReplica(LocalBackend):
    """All nodes of each graph in one replica apart from the graph's own."""

    def __init__(self) -> None:
        super().__init__()
        self.trips: list[list[str]] = []
        self.by_node: dict[tuple[str, str], LoadedNode] = {}

    def handle(self, graph: Graph, node: Node) -> Any:
        self.by_node[graph.name, node.name] = super().handle(graph, node)
        return SharedReplica(graph.name, node.name, self)


async def run(plan: Plan, inputs: dict[str, Any], context: RequestContext) -> tuple[Any, Any]:
    backend = OneReplica()
    await backend.start(node for graph in plan.program for node in graph.nodes.values())
    try:
        engine = Engine(plan, backend)
        return await engine.run(plan.program.served[0], inputs, context), backend.trips
    finally:
        await backend.close()


@settings(max_examples=60, deadline=None)
@given(
    st.randoms(use_true_random=False).map(random_recipe),
    st.lists(st.integers(0, 1000), min_size=3, max_size=3).map(np.array),
)
def test_generated_graphs_give_what_their_functions_give(recipe: Any, x: Any) -> None:
    plan = passes.plan(infer(declare(recipe, "top").program()))
    try:
        expected = by_hand(recipe, x, x)
    except Broken:
        with pytest.raises(NodeFailed) as caught:
            asyncio.run(run(plan, {"x": x, "y": x}, RequestContext()))
        assert caught.value.node == "broken"
        return
    outputs, _ = asyncio.run(run(plan, {"x": x, "y": x}, RequestContext()))
    found = outputs["output"] if list(outputs) == ["output"] else outputs
    assert repr(found) == repr(expected) or str(np.asarray(found)) == str(np.asarray(expected))


@transformer
def one(x: Tensor[batch]) -> Tensor[batch]:
    return x + 1


@transformer
def two(x: Tensor[batch]) -> Tensor[batch]:
    return x * 2


@transformer
def both(x: Tensor[batch], y: Tensor[batch]) -> Tensor[batch]:
    return x + y


@transformer
def faulty(x: Tensor[batch]) -> Tensor[batch]:
    raise ZeroDivisionError


@transformer
def picky(x: Tensor[batch]) -> Tensor[batch]:
    raise InvalidInput("three is too many")


@transformer
async def endless(x: Tensor[batch]) -> Tensor[batch]:
    await asyncio.sleep(3600)
    return x


@inference_graph
def chain(x):
    return two(one(two(x)))


@inference_graph
def beside(x):
    return both(one(x), two(x))


@inference_graph
def joined(x, y):
    return both(one(two(x)), y)


@inference_graph
def read_twice(x):
    first = one(x)
    return both(first, two(first))


@inference_graph
def breaks(x):
    return two(faulty(one(x)))


@inference_graph
def refuses(x):
    return two(picky(one(x)))


@inference_graph
def hangs(x):
    return two(endless(one(x)))


X = {"x": np.array([1.0, 2.0])}


@pytest.mark.parametrize(
    ("graph", "inputs", "expected", "trips"),
    [
        (chain, X, [6, 10], [["two", "one", "two"]]),
        (beside, X, [4, 7], [["one"], ["two"], ["both"]]),
        (joined, {**X, "y": np.array([10.0, 20.0])}, [13, 25], [["two", "one", "both"]]),
        (read_twice, X, [6, 9], [["one"], ["two", "both"]]),
    ],
    ids=["chain", "beside", "joined", "read twice"],
)
def test_as_few_trips_as_the_graph_allows(
    graph: Any, inputs: dict[str, Any], expected: list[float], trips: list[list[str]]
) -> None:
    context = RequestContext()
    outputs, made = asyncio.run(run(planned(graph), inputs, context))
    assert outputs["output"].tolist() == expected
    assert sorted(made) == sorted(trips)
    assert len(context.calls) == sum(map(len, trips))
    assert all(call.outcome == "ok" and call.seconds >= 0 for call in context.calls)


def test_the_node_that_fails_is_named_and_what_follows_does_not_run() -> None:
    context = RequestContext()
    with pytest.raises(NodeFailed) as caught:
        asyncio.run(run(planned(breaks), X, context))
    assert caught.value.node == "faulty"
    assert [(call.node, call.outcome) for call in context.calls] == [
        ("one", "ok"),
        ("faulty", "NodeFailed"),
    ]


def test_what_a_node_says_to_the_client_arrives() -> None:
    with pytest.raises(InvalidInput, match="three is too many"):
        asyncio.run(run(planned(refuses), X, RequestContext()))


def test_the_deadline_ends_a_chain() -> None:
    context = RequestContext(deadline=time.monotonic() + 0.05)
    with pytest.raises(DeadlineExceeded):
        asyncio.run(run(planned(hangs), X, context))
    assert context.calls[-1].outcome == "cancelled"


@given(st.randoms(use_true_random=False), st.integers(1, 9))
@settings(max_examples=20, deadline=None)
def test_a_long_chain_is_one_trip(random: Random, length: int) -> None:
    nodes = [random.choice([one, two]) for _ in range(length)]

    @inference_graph
    def long(x):
        for node in nodes:
            x = node(x)
        return x

    _, trips = asyncio.run(run(planned(long), X, RequestContext()))
    assert [len(trip) for trip in trips] == [length]
    assert GraphName("long") in planned(long).program.graphs
