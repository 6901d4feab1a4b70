"""Batching loses, swaps and duplicates no row, whatever arrives and whatever fails."""

from __future__ import annotations

import asyncio
import random
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from umbel.graph.options import Batch
from umbel.nodes.batching import Batcher


class Bad(Exception):
    pass


def _model(calls: list[int]) -> Any:
    async def run(values: dict[str, Any]) -> Any:
        x = values["x"]
        calls.append(len(x))
        await asyncio.sleep(random.random() / 2000)
        if (x < 0).any():
            raise Bad
        return {"twice": x * 2, "sum": x.reshape(len(x), -1).sum(axis=1)}

    return run


requests = st.lists(
    st.tuples(
        st.integers(1, 5),  # rows
        st.integers(1, 3),  # columns: ragged requests are grouped
        st.booleans(),  # bad
        st.integers(0, 3),  # turns of the loop before it arrives
    ),
    min_size=1,
    max_size=40,
)


@settings(max_examples=40, deadline=None)
@given(requests, st.integers(1, 16), st.sampled_from([0.0, 2.0]))
def test_each_request_gets_its_own_rows(
    arriving: list[tuple[int, int, bool, int]], max_size: int, wait: float
) -> None:
    calls: list[int] = []
    batcher = Batcher(_model(calls), Batch(max_size, wait), "m")
    serial = iter(range(1, 10**9))

    async def one(rows: int, columns: int, bad: bool, turns: int) -> None:
        for _ in range(turns):
            await asyncio.sleep(0)
        x = np.array([[float(next(serial)) for _ in range(columns)] for _ in range(rows)])
        if bad:
            x[0, 0] = -1
            with pytest.raises(Bad):
                await batcher({"x": x})
            return
        result = await batcher({"x": x})
        assert np.array_equal(result["twice"], x * 2)
        assert np.array_equal(result["sum"], x.sum(axis=1))

    async def all_of_them() -> None:
        await asyncio.gather(*(one(*request) for request in arriving))

    asyncio.run(all_of_them())
    largest = max(rows for rows, *_ in arriving)
    assert max(calls) <= max(max_size, largest)


def test_requests_that_wait_run_together() -> None:
    calls: list[int] = []
    batcher = Batcher(_model(calls), Batch(64), "m")

    async def burst() -> None:
        await asyncio.gather(*(batcher({"x": np.ones((1, 2))}) for _ in range(32)))

    asyncio.run(burst())
    assert sum(calls) == 32
    assert len(calls) <= 2


def test_a_lone_request_waits_for_nobody() -> None:
    batcher = Batcher(_model([]), Batch(64, max_wait_ms=0), "m")

    async def lone() -> float:
        start = asyncio.get_running_loop().time()
        await batcher({"x": np.ones((1, 2))})
        return asyncio.get_running_loop().time() - start

    assert asyncio.run(lone()) < 0.1


def test_a_result_without_rows_is_computed_for_each_request() -> None:
    async def total(values: dict[str, Any]) -> Any:
        return float(values["x"].sum())

    batcher = Batcher(total, Batch(64), "m")

    async def both() -> list[float]:
        return await asyncio.gather(*(batcher({"x": np.full((1, 2), i)}) for i in (1.0, 2.0, 3.0)))

    assert asyncio.run(both()) == [2.0, 4.0, 6.0]


def test_a_cancelled_request_leaves_the_others_alone() -> None:
    batcher = Batcher(_model([]), Batch(8), "m")

    async def some() -> list[Any]:
        tasks = [asyncio.create_task(batcher({"x": np.full((1, 1), float(i))})) for i in range(6)]
        await asyncio.sleep(0)
        tasks[2].cancel()
        return await asyncio.gather(*tasks, return_exceptions=True)

    results = asyncio.run(some())
    assert isinstance(results[2], asyncio.CancelledError)
    for i in (0, 1, 3, 4, 5):
        assert results[i]["twice"][0, 0] == 2.0 * i
