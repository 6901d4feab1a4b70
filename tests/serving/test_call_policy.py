"""``timeout_s=`` and ``retries=`` of nodes in Python."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Any

import pytest

from umbel import inference_graph, transformer
from umbel.graph.checks import option_problems
from umbel.graph.errors import DeadlineExceeded, InvalidInput, NodeFailed
from umbel.graph.inference import infer
from umbel.graph.options import NodeOptions, Retry
from umbel.graph.passes import plan
from umbel.nodes.request_context import RequestContext
from umbel.serving.engine import Engine
from umbel.serving.local_backend import LocalBackend


async def run(node: Any, value: Any, context: RequestContext) -> Any:
    """One call of a graph that is just the node."""

    @inference_graph(name="one")
    def one(x):  # type: ignore[no-untyped-def]
        return node(x)

    made = plan(infer(one.program()))
    backend = LocalBackend()
    await backend.start(n for graph in made.program for n in graph.nodes.values())
    try:
        name = made.program.served[0]
        return (await Engine(made, backend).run(name, {"x": value}, context))["output"]
    finally:
        await backend.close()


class Flaky:
    """Fails so many times."""

    def __init__(self, failures: int, error: Callable[[], Exception] = ConnectionError) -> None:
        self.left, self.error, self.calls = failures, error, 0

    def __call__(self) -> None:
        self.calls += 1
        if self.left:
            self.left -= 1
            raise self.error()


@pytest.mark.parametrize("is_async", [False, True])
async def test_a_failed_call_is_made_again(is_async: bool) -> None:
    flaky = Flaky(2)
    if is_async:

        @transformer(retries=2)
        async def node(x):  # type: ignore[no-untyped-def]
            flaky()
            return x

    else:

        @transformer(retries=2)
        def node(x):  # type: ignore[no-untyped-def]
            flaky()
            return x

    context = RequestContext()
    assert await run(node, 5, context) == 5
    (call,) = context.calls
    assert (call.attempts, call.outcome, flaky.calls) == (3, "ok", 3)


async def test_the_last_failure_counts() -> None:
    flaky = Flaky(9)

    @transformer(retries=1)
    def node(x):  # type: ignore[no-untyped-def]
        flaky()

    with pytest.raises(NodeFailed, match="node"):
        await run(node, 5, RequestContext())
    assert flaky.calls == 2


async def test_a_clients_mistake_is_not_repeated() -> None:
    flaky = Flaky(9, lambda: InvalidInput("no such user"))

    @transformer(retries=5)
    def node(x):  # type: ignore[no-untyped-def]
        flaky()

    with pytest.raises(InvalidInput, match="no such user"):
        await run(node, 5, RequestContext())
    assert flaky.calls == 1


async def test_a_call_that_takes_too_long_is_cut_off() -> None:
    cut: list[str] = []

    @transformer(timeout_s=0.05)
    async def slow(x):  # type: ignore[no-untyped-def]
        try:
            await asyncio.sleep(5)
        except asyncio.CancelledError:
            cut.append("cut")
            raise

    began = time.monotonic()
    with pytest.raises(DeadlineExceeded, match=r"no answer from 'node' within 0\.05 s"):
        await run(slow, 5, RequestContext())
    assert time.monotonic() - began < 1
    await asyncio.sleep(0)
    assert cut == ["cut"]


async def test_the_time_limit_holds_for_each_attempt() -> None:
    naps = [1.0, 0.0]

    @transformer(timeout_s=0.1, retries=1)
    async def slow_once(x):  # type: ignore[no-untyped-def]
        await asyncio.sleep(naps.pop(0))
        return x

    assert await run(slow_once, 5, RequestContext()) == 5


async def test_the_deadline_bounds_the_attempts() -> None:
    flaky = Flaky(99)

    @transformer(retries=50)
    def node(x):  # type: ignore[no-untyped-def]
        flaky()

    began = time.monotonic()
    with pytest.raises((NodeFailed, DeadlineExceeded)):
        await run(node, 5, RequestContext(deadline=time.monotonic() + 0.3))
    assert time.monotonic() - began < 0.5
    assert 1 < flaky.calls < 6


def test_options_that_make_no_sense() -> None:
    assert [what for what, _ in option_problems(NodeOptions(timeout_s=0, retries=-1))] == [
        "timeout_s=0 leaves no time for a call",
        "retries=-1 is negative",
    ]
    assert NodeOptions(retries=2).retry == Retry(attempts=3)
    assert NodeOptions().retry is None
    assert NodeOptions(retries=Retry(attempts=1)).retry is None
