"""Models in memory: the budget, who leaves, who waits, and one load for many requests."""

from __future__ import annotations

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st

from umbel.graph.errors import NotReady
from umbel.nodes.resident_models import ResidentModels


class Shelf:
    """Models whose size is the number in their name; ``open_now`` are those in memory."""

    def __init__(self) -> None:
        self.open_now: dict[str, int] = {}
        self.opened: list[str] = []
        self.highest = 0
        self.broken: set[str] = set()

    async def prepare(self, name: str) -> tuple[str, int, int]:
        await asyncio.sleep(0)
        size = int(name.partition("-")[2])
        return name, size, size

    async def open(self, name: str, prepared: str) -> tuple[str, int]:
        await asyncio.sleep(0.001)
        if name in self.broken:
            raise NotReady(f"{name} is broken")
        assert name not in self.open_now
        size = int(name.partition("-")[2])
        self.opened.append(name)
        self.open_now[name] = size
        self.highest = max(self.highest, sum(self.open_now.values()))
        return name, size

    async def close(self, value: str) -> None:
        del self.open_now[value]


async def use(models: ResidentModels[str, str], name: str, seconds: float = 0.0) -> None:
    async with models.use(name) as value:
        assert value == name
        await asyncio.sleep(seconds)


async def test_the_least_recently_used_leaves() -> None:
    shelf = Shelf()
    models = ResidentModels(shelf, 30)
    for name in ("a-10", "b-10", "c-10", "a-10", "d-10"):
        await use(models, name)
    assert models.names == ["c-10", "a-10", "d-10"]
    assert (models.counts.hits, models.counts.misses, models.counts.evictions) == (1, 4, 1)


async def test_many_requests_one_load() -> None:
    shelf = Shelf()
    models = ResidentModels(shelf, 30)
    await asyncio.gather(*(use(models, "a-10") for _ in range(50)))
    assert shelf.opened == ["a-10"]


async def test_what_is_in_use_stays_and_others_wait() -> None:
    shelf = Shelf()
    models = ResidentModels(shelf, 10)
    long = asyncio.create_task(use(models, "a-10", 0.05))
    await asyncio.sleep(0.01)
    short = asyncio.create_task(use(models, "b-10"))
    await asyncio.sleep(0.01)
    assert shelf.open_now == {"a-10": 10}
    await asyncio.gather(long, short)
    assert models.names == ["b-10"]


async def test_a_cancelled_request_leaves_no_pin() -> None:
    shelf = Shelf()
    models = ResidentModels(shelf, 10)
    waiting = asyncio.create_task(use(models, "a-10", 10))
    await asyncio.sleep(0)
    waiting.cancel()
    await asyncio.gather(waiting, return_exceptions=True)
    await asyncio.wait_for(use(models, "b-10"), 2)
    assert models.names == ["b-10"]


async def test_a_failure_is_told_for_a_while_and_a_load_tries_again() -> None:
    now = [0.0]
    shelf = Shelf()
    shelf.broken.add("a-10")
    models = ResidentModels(shelf, 10, clock=lambda: now[0])
    for _ in range(3):
        with pytest.raises(NotReady, match="a-10 is broken"):
            await use(models, "a-10")
    assert (models.counts.failures, models.failures) == (1, {"a-10": "a-10 is broken"})
    shelf.broken.clear()
    await models.load("a-10")
    assert models.failures == {}
    await use(models, "a-10")


async def test_a_dropped_model_serves_its_requests_to_the_end() -> None:
    shelf = Shelf()
    models = ResidentModels(shelf, 20)
    running = asyncio.create_task(use(models, "a-10", 0.03))
    await asyncio.sleep(0.01)
    await models.drop("a-10")
    assert (models.names, models.used) == ([], 10)
    await running
    await models.close()
    assert (shelf.open_now, models.used) == ({}, 0)


@given(
    st.lists(
        st.tuples(st.sampled_from("abcdef"), st.integers(0, 3), st.booleans()),
        min_size=1,
        max_size=40,
    ),
    st.integers(6, 20),
)
def test_any_load_stays_within_the_budget(
    requests: list[tuple[str, int, bool]], budget: int
) -> None:
    async def run() -> None:
        shelf = Shelf()
        models = ResidentModels(shelf, budget)

        async def one(letter: str, pause: int, cancels: bool) -> None:
            name = f"{letter}-{ord(letter) - ord('a') + 1}"
            task = asyncio.create_task(use(models, name, pause / 1000))
            if cancels:
                await asyncio.sleep(pause / 2000)
                task.cancel()
            await asyncio.gather(task, return_exceptions=True)

        await asyncio.wait_for(asyncio.gather(*(one(*request) for request in requests)), 10)
        assert shelf.highest <= budget
        await models.close()
        assert shelf.open_now == {}

    asyncio.run(run())
