"""Predictions of an explanation run in its own thread where that is known to be quick."""

from __future__ import annotations

import asyncio
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest

from loopback_server import planned
from umbel import Tensor, inference_graph, predictor, transformer
from umbel.explainers.batch_predictor import BatchPredictor
from umbel.explainers.budget import Budget, BudgetSpent
from umbel.graph.errors import NodeFailed
from umbel.nodes.predicting import current_predictor, predicting
from umbel.nodes.request_context import RequestContext
from umbel.serving.explaining import GraphPredictor
from umbel.serving.graph_host import GraphHost

Rows = Tensor["float64", "batch", 2]
Sums = Tensor["float64", "batch"]
BATCH = np.arange(10.0).reshape(5, 2)


def threads_of(graph: Any, calls: int, seconds: float = 10) -> tuple[list[Any], list[str]]:
    """What the predictor gave for some batches, and in which threads the model ran."""

    async def run() -> list[Any]:
        host = GraphHost(planned(graph), "0")
        await host.start()
        budget = Budget(seconds, 10_000, None)
        with predicting(GraphPredictor(host.engine, graph.name, RequestContext())):
            loop = asyncio.get_running_loop()
            predict = BatchPredictor(current_predictor(), loop, budget, 3, "")
        budget.start()
        found: list[Any] = []
        failures: list[BaseException] = []

        def explain() -> None:
            try:
                found.extend(predict(BATCH) for _ in range(calls))
            except BaseException as error:
                failures.append(error)

        with ThreadPoolExecutor(1, thread_name_prefix="explaining") as pool:
            await loop.run_in_executor(pool, explain)
        await host.close()
        if failures:
            raise failures[0]
        return found

    SEEN.clear()
    return asyncio.run(run()), list(SEEN)


SEEN: list[str] = []


def seen() -> None:
    SEEN.append(threading.current_thread().name.partition("_")[0])


@transformer
def doubled(x: Rows) -> Rows:
    return x * 2


def test_a_plain_model_runs_beside_its_explanation() -> None:
    @predictor
    def total(x: Rows) -> Sums:
        seen()
        return x.sum(axis=1)

    @inference_graph
    def chain(x: Rows) -> Sums:
        return total(doubled(x))

    found, names = threads_of(chain, 3)
    assert all((one == BATCH.sum(axis=1) * 2).all() for one in found)
    assert names[0] != "explaining", "the first call shows how long it takes"
    assert names[1:] == ["explaining"] * 5


def test_what_waits_runs_on_the_loop() -> None:
    @predictor
    async def total(x: Rows) -> Sums:
        seen()
        await asyncio.sleep(0)
        return x.sum(axis=1)

    @predictor
    def sometimes(x: Rows) -> Sums:
        async def later() -> Any:
            await asyncio.sleep(0)
            return x.sum(axis=1)

        seen()
        return later() if len(SEEN) > 2 else x.sum(axis=1)

    @inference_graph
    def always(x: Rows) -> Sums:
        return total(x)

    @inference_graph
    def later_on(x: Rows) -> Sums:
        return sometimes(x)

    for graph in (always, later_on):
        found, names = threads_of(graph, 3)
        assert all((each == BATCH.sum(axis=1)).all() for each in found)
        assert names[-1] != "explaining"


def test_an_error_is_the_models_wherever_it_ran() -> None:
    @predictor
    def brittle(x: Rows) -> Sums:
        seen()
        if len(SEEN) > 3:
            raise ValueError("secret")
        return x.sum(axis=1)

    @inference_graph
    def breaking(x: Rows) -> Sums:
        return brittle(x)

    with pytest.raises(NodeFailed) as caught:
        threads_of(breaking, 3)
    assert "secret" not in str(caught.value)


def test_a_slow_model_does_not_hold_up_the_budget() -> None:
    @predictor
    def slow(x: Rows) -> Sums:
        seen()
        time.sleep(0.5)
        return x.sum(axis=1)

    @inference_graph
    def slowly(x: Rows) -> Sums:
        return slow(x)

    start = time.monotonic()
    with pytest.raises(BudgetSpent):
        threads_of(slowly, 30, seconds=0.5)
    assert time.monotonic() - start < 5
    assert "explaining" not in SEEN
