"""The response cache: equal typed inputs give kept answers; Redis is never in the way."""

from __future__ import annotations

import asyncio
import socket
import subprocess
import time
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from umbel import Cache
from umbel.graph.implementations import PythonCode
from umbel.graph.ir import Node
from umbel.graph.options import NodeOptions
from umbel.graph.steps import NodeName
from umbel.graph.value_types import Port, Signature, ValueType
from umbel.nodes.loaded import LoadedNode
from umbel.nodes.request_context import RequestContext, enter
from umbel.nodes.response_cache import CACHE_HEADER

TENSOR = Signature((Port("x", ValueType("ndarray")),), (Port("output", ValueType("ndarray")),))


def _node(run: Any, cache: Cache) -> LoadedNode:
    code = PythonCode(run, "tests:run")
    node = Node(NodeName("m"), "predictor", code, TENSOR, NodeOptions(cache=cache))
    return LoadedNode(node, run)


async def _call(node: LoadedNode, x: Any) -> Any:
    context = RequestContext()
    enter(context)
    return await node({"x": np.asarray(x)}, context), context


def test_equal_inputs_run_the_model_once_and_the_response_says_so() -> None:
    calls: list[Any] = []

    def run(x: Any) -> Any:
        calls.append(x)
        return x * 2

    async def twice() -> None:
        node = _node(run, Cache())
        first, told = await _call(node, [1.0, 2.0])
        again, told_again = await _call(node, [1.0, 2.0])
        assert np.array_equal(first, again)
        assert CACHE_HEADER not in told.response_headers
        assert told_again.response_headers[CACHE_HEADER] == "m"
        await _call(node, np.array([1.0, 2.0], dtype=np.float32))  # another dtype
        await _call(node, [[1.0, 2.0]])  # another shape

    asyncio.run(twice())
    assert len(calls) == 3


def test_two_hundred_equal_requests_at_once_run_the_model_once() -> None:
    calls = 0

    async def run(x: Any) -> Any:
        nonlocal calls
        calls += 1
        await asyncio.sleep(0.02)
        return x + 1

    async def burst() -> None:
        node = _node(run, Cache())
        results = await asyncio.gather(*(_call(node, [3.0]) for _ in range(200)))
        assert all(result[0] == [4.0] for result, _ in results)

    asyncio.run(burst())
    assert calls == 1


def test_failures_are_never_kept() -> None:
    calls = 0

    def run(x: Any) -> Any:
        nonlocal calls
        calls += 1
        if calls == 1:
            raise ValueError("once")
        return x

    async def retry() -> None:
        node = _node(run, Cache())
        with pytest.raises(ValueError, match="once"):
            await _call(node, [1.0])
        await _call(node, [1.0])

    asyncio.run(retry())
    assert calls == 2


def test_answers_expire_and_the_least_recently_used_goes_first() -> None:
    calls: list[float] = []

    def run(x: Any) -> Any:
        calls.append(float(x[0]))
        return x

    async def use() -> None:
        node = _node(run, Cache(ttl_s=0.05, max_items=2))
        for value in (1.0, 2.0, 1.0, 3.0, 1.0, 2.0):
            await _call(node, [value])
        assert calls == [1.0, 2.0, 3.0, 2.0]
        await asyncio.sleep(0.06)
        await _call(node, [2.0])
        assert calls[-2:] == [2.0, 2.0]

    asyncio.run(use())


def test_the_hit_rate_under_zipf_load_is_what_theory_says() -> None:
    items, kept, requests = 500, 50, 20_000
    weights = 1 / np.arange(1, items + 1)
    popularity = weights / weights.sum()
    drawn = np.random.default_rng(7).choice(items, size=requests, p=popularity)

    async def use() -> float:
        async def run(x: Any) -> Any:
            return x

        node = _node(run, Cache(ttl_s=1e6, max_items=kept))
        for item in drawn:
            await _call(node, [float(item)])
        assert node.cache is not None
        return node.cache.hits / requests

    assert abs(asyncio.run(use()) - _che(popularity, kept)) < 0.03


def _che(popularity: Any, kept: int) -> float:
    """Hit rate of a least-recently-used cache under independent requests (Che et al. 2002)."""
    low, high = 0.0, 1e7
    for _ in range(200):
        middle = (low + high) / 2
        if (1 - np.exp(-popularity * middle)).sum() < kept:
            low = middle
        else:
            high = middle
    return float((popularity * (1 - np.exp(-popularity * low))).sum())


@pytest.fixture()
def redis() -> Iterator[tuple[str, subprocess.Popen[bytes]]]:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = ["redis-server", "--port", str(port), "--bind", "127.0.0.1", "--save", ""]
    server = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    end = time.monotonic() + 10
    while time.monotonic() < end:
        try:
            socket.create_connection(("127.0.0.1", port), 0.2).close()
            break
        except OSError:
            time.sleep(0.02)
    yield f"redis://127.0.0.1:{port}/0", server
    server.kill()
    server.wait()


def test_two_replicas_share_answers_through_redis_and_outlive_it(
    redis: tuple[str, subprocess.Popen[bytes]],
) -> None:
    url, server = redis
    calls = 0

    def run(x: Any) -> Any:
        nonlocal calls
        calls += 1
        return x * 3

    async def share() -> None:
        one, other = _node(run, Cache(redis=url)), _node(run, Cache(redis=url))
        await _call(one, [1.0])
        result, context = await _call(other, [1.0])
        assert result == [3.0]
        assert calls == 1
        assert context.response_headers[CACHE_HEADER] == "m"
        server.kill()
        server.wait()
        start = time.monotonic()
        for value in range(10, 30):
            result, _ = await _call(one, [float(value)])
            assert result == [value * 3.0]
        assert time.monotonic() - start < 1.0
        await one.close()
        await other.close()

    asyncio.run(share())
