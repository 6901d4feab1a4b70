"""How the engine runs a graph: at once, once, only what is needed, and with an end."""

from __future__ import annotations

import asyncio
import gc
import logging
import sys
import threading
import time
from collections.abc import Awaitable, Callable
from typing import Any

import numpy as np
import pytest

from umbel import Tensor, ensemble, inference_graph, otherwise, splitter, switch, transformer, when
from umbel.graph.errors import DeadlineExceeded, InvalidInput, NodeFailed
from umbel.graph.graph_definitions import GraphDefinition
from umbel.graph.inference import infer
from umbel.graph.passes import plan
from umbel.graph.plan import Plan
from umbel.nodes.request_context import RequestContext, current_request
from umbel.serving.engine import Engine
from umbel.serving.local_backend import LocalBackend
from umbel.serving.value_operations import OperationFailed

Four = Tensor["batch", 4]


class Running:
    """A graph's engine on a running loop."""

    def __init__(self, definition: GraphDefinition, engine: Engine) -> None:
        self.name, self.engine = definition.graph().name, engine

    async def __call__(self, context: RequestContext | None = None, **inputs: Any) -> Any:
        outputs = await self.engine.run(self.name, inputs, context or RequestContext())
        return outputs["output"] if list(outputs) == ["output"] else outputs


@pytest.fixture()
async def started() -> Any:
    backends = []

    async def start(definition: GraphDefinition, *, planned: bool = True) -> Running:
        program = infer(definition.program())
        made = plan(program) if planned else Plan(program)
        backend = LocalBackend()
        backends.append(backend)
        await backend.start(node for graph in made.program for node in graph.nodes.values())
        return Running(definition, Engine(made, backend))

    yield start
    for backend in backends:
        await backend.close()
    assert asyncio.all_tasks() == {asyncio.current_task()}


Start = Callable[..., Awaitable[Running]]


@transformer
def add_one(x: int) -> int:
    return x + 1


@transformer
async def later(x: int) -> int:
    await asyncio.sleep(0)
    return x + 1


def meeting(parties: int) -> Any:
    """A node that ends only when ``parties`` calls of it are under way at once."""
    arrived: list[int] = []
    everybody = asyncio.Event()

    @transformer(deterministic=False)
    async def met(x: int) -> int:
        arrived.append(x)
        if len(arrived) == parties:
            everybody.set()
        await asyncio.wait_for(everybody.wait(), 5)
        return x

    return met


async def test_independent_nodes_run_at_once(started: Start) -> None:
    met = meeting(3)

    @inference_graph
    def graph(x):
        return ensemble(a=met(x), b=met(later(x)), c=met(add_one(x)))

    run = await started(graph)
    assert await run(x=1) == {"a": 1, "b": 2, "c": 2}


async def test_synchronous_nodes_run_at_once_too(started: Start) -> None:
    barrier = threading.Barrier(2, timeout=5)

    @transformer(deterministic=False)
    def met(x: int) -> int:
        barrier.wait()
        return x

    @inference_graph
    def graph(x):
        return met(x), met(later(x))

    run = await started(graph)
    assert await run(x=1) == {"output_0": 1, "output_1": 2}


async def test_two_chains_do_not_wait_for_each_other(started: Start) -> None:
    """Each chain's second node needs the other chain's first, not its last."""
    met = meeting(2)

    @inference_graph
    def graph(x):
        return met(later(later(later(x)))), met(x)

    run = await started(graph)
    assert await run(x=0) == {"output_0": 3, "output_1": 0}


async def test_branches_inside_branches_run_at_once(started: Start) -> None:
    met = meeting(4)

    @inference_graph
    def pair(x):
        return ensemble(a=met(x), b=met(x))["a"]

    @inference_graph
    def graph(x):
        chosen = switch(when(later(x) > 0, pair(x)), otherwise(x))
        return ensemble(a=chosen, b=pair(x))

    run = await started(graph)
    assert await run(x=1) == {"a": 1, "b": 1}


def counting() -> tuple[Any, list[int]]:
    calls: list[int] = []

    @transformer
    async def counted(x: int) -> int:
        calls.append(x)
        await asyncio.sleep(0.001)
        return x + 1

    return counted, calls


async def test_a_step_that_several_branches_demand_at_once_runs_once(started: Start) -> None:
    counted, calls = counting()

    @inference_graph
    def graph(x):
        shared = counted(x)
        one = switch(when(later(x) > 0, later(shared)), otherwise(x))
        two = switch(when(x > 0, shared), otherwise(x))
        three = splitter(all=(100, add_one(shared)))
        return ensemble(one=one, two=two, three=three)

    run = await started(graph)
    assert await run(x=5) == {"one": 7, "two": 6, "three": 7}
    assert calls == [5]


async def test_equal_calls_run_once_and_those_that_may_differ_twice(started: Start) -> None:
    counted, calls = counting()

    @inference_graph
    def graph(x):
        return counted(x), counted(x), later(counted(x))

    assert await (await started(graph))(x=1) == {"output_0": 2, "output_1": 2, "output_2": 3}
    assert calls == [1]
    assert await (await started(graph, planned=False))(x=1)
    assert calls == [1] * 4


async def test_a_branch_that_is_not_taken_never_runs(started: Start) -> None:
    counted, calls = counting()

    @inference_graph
    def graph(x):
        unused = counted(x)
        low = switch(when(x > 10, unused), when(counted(unused) < 0, unused), otherwise(x))
        return splitter(a=(0, low), b=(100, x))

    run = await started(graph)
    assert await run(x=1) == 1
    assert calls == []


async def test_later_conditions_are_worked_out_only_when_needed(started: Start) -> None:
    counted, calls = counting()

    @inference_graph
    def graph(x):
        return switch(when(x > 0, x), when(counted(x) > 0, x), otherwise(-x))

    run = await started(graph)
    assert await run(x=1) == 1
    assert calls == []
    assert await run(x=-5) == 5
    assert calls == [-5]


async def test_the_branches_taken_and_the_path_are_on_record(started: Start) -> None:
    @inference_graph
    def graph(x):
        return switch(when(later(x) > 10, x, name="big"), otherwise(add_one(x)))

    context = RequestContext()
    assert await (await started(graph))(context, x=1) == 2
    assert (context.path, context.branches) == (["later", "add_one"], {"switch": "otherwise"})
    assert [call.outcome for call in context.calls] == ["ok", "ok"]


async def test_weights_are_kept(started: Start) -> None:
    @inference_graph
    def graph(x):
        return splitter(few=(20, x), many=(80, x + 1))

    run = await started(graph)
    many = sum([await run(x=0) for _ in range(1000)])
    assert 730 < many < 870


async def test_a_failure_cancels_the_siblings_and_waits_for_them(started: Start) -> None:
    ended: list[str] = []

    @transformer
    async def slow(x: int) -> int:
        try:
            await asyncio.sleep(30)
        except asyncio.CancelledError:
            await asyncio.sleep(0.01)
            ended.append("slow")
            raise
        return x

    @transformer
    async def failing(x: int) -> int:
        await asyncio.sleep(0.01)
        raise ValueError("secret")

    @inference_graph
    def graph(x):
        return ensemble(
            a=slow(x), b=failing(x), c=switch(when(x > 0, slow(add_one(x))), otherwise(x))
        )

    run = await started(graph)
    context = RequestContext("r1")
    with pytest.raises(NodeFailed, match="^node 'failing' failed \\(request r1\\)$"):
        await run(context, x=1)
    assert ended == ["slow", "slow"]
    assert sorted(call.outcome for call in context.calls) == [
        "ValueError", "cancelled", "cancelled", "ok",
    ]  # fmt: skip


async def test_two_failures_at_once_leave_nothing_unheard(
    started: Start, caplog: pytest.LogCaptureFixture
) -> None:
    @transformer
    async def one(x: int) -> int:
        await asyncio.sleep(0)
        raise ValueError

    @transformer
    async def two(x: int) -> int:
        await asyncio.sleep(0)
        raise KeyError

    @inference_graph
    def graph(x):
        shared = two(x)
        a = switch(when(x > 0, shared), otherwise(x))
        b = switch(when(x > 0, add_one(shared)), otherwise(x))
        return ensemble(a=one(x), b=shared, c=a, d=b, e=later(one(x)))

    run = await started(graph)
    with pytest.raises(NodeFailed):
        await run(x=1)
    gc.collect()
    await asyncio.sleep(0)
    assert "never retrieved" not in caplog.text


async def test_the_cause_is_in_the_log_only(
    started: Start, caplog: pytest.LogCaptureFixture
) -> None:
    @transformer
    def leaky(x: int) -> int:
        raise RuntimeError("password 1234")

    @inference_graph
    def graph(x):
        return leaky(x)

    run = await started(graph)
    with caplog.at_level(logging.ERROR), pytest.raises(NodeFailed) as caught:
        await run(RequestContext("r7"), x=1)
    assert str(caught.value) == "node 'leaky' failed (request r7)"
    assert "password 1234" in caplog.text
    assert "Traceback" in caplog.text
    assert "r7" in caplog.text


@pytest.mark.parametrize(
    "error", [SystemExit(3), StopIteration(), GeneratorExit(), asyncio.CancelledError()]
)
@pytest.mark.parametrize("mode", ["thread", "loop", "async"])
async def test_whatever_a_node_raises_is_its_failure(
    started: Start, error: BaseException, mode: str
) -> None:
    calls: list[int] = []

    def raising(x: int) -> int:
        calls.append(x)
        if x < 0:
            raise error
        return x

    async def raising_later(x: int) -> int:
        return raising(x)

    if mode == "async" and isinstance(error, GeneratorExit):
        pytest.skip("Python itself uses it to close a coroutine")
    if isinstance(error, asyncio.CancelledError) and sys.version_info < (3, 11):
        pytest.skip("cannot be told from a real cancellation")
    node = transformer(name="raising")(raising_later if mode == "async" else raising)

    @inference_graph
    def graph(x):
        return ensemble(a=node(x), b=later(x))

    run = await started(graph)
    for number in range(6 if mode == "loop" else 1):
        assert await run(x=number) == {"a": number, "b": number + 1}
    with pytest.raises(NodeFailed, match="node 'raising' failed"):
        await asyncio.wait_for(run(x=-1), 5)


async def test_cancelling_leaves_no_task_behind(started: Start) -> None:
    began, ended = asyncio.Event(), []

    @transformer
    async def endless(x: int) -> int:
        began.set()
        try:
            await asyncio.sleep(30)
        finally:
            await asyncio.sleep(0.01)
            ended.append(x)
        return x

    @inference_graph
    def graph(x):
        shared = endless(x)
        one = switch(when(x > 0, shared), otherwise(x))
        two = switch(when(x > 0, add_one(shared)), otherwise(x))
        return ensemble(one=one, two=two, three=later(x))

    run = await started(graph)
    task = asyncio.create_task(run(x=1))
    await began.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert ended == [1]
    assert asyncio.all_tasks() == {asyncio.current_task()}


async def test_a_deadline_ends_the_request(started: Start) -> None:
    cancelled: list[int] = []

    @transformer
    async def slow(x: int) -> int:
        try:
            await asyncio.sleep(30)
        except asyncio.CancelledError:
            cancelled.append(x)
            raise
        return x

    @inference_graph
    def graph(x):
        return ensemble(a=slow(x), b=slow(later(x)))

    run = await started(graph)
    start = time.monotonic()
    with pytest.raises(DeadlineExceeded, match="no answer from 'graph' within 0.0"):
        await run(RequestContext(deadline=start + 0.05), x=1)
    assert time.monotonic() - start < 5
    assert sorted(cancelled) == [1, 2]
    with pytest.raises(DeadlineExceeded, match="had passed before"):
        await run(RequestContext(deadline=start), x=1)
    assert len(cancelled) == 2


@pytest.mark.parametrize("ending", ["its own limit", "a sibling's failure"])
async def test_a_call_with_a_limit_leaves_no_task_behind(started: Start, ending: str) -> None:
    ended: list[int] = []

    @transformer(timeout_s=0.05 if ending == "its own limit" else 20)
    async def slow(x: int) -> int:
        try:
            await asyncio.sleep(30)
        finally:
            await asyncio.sleep(0.01)
            ended.append(x)
        return x

    @transformer
    async def failing(x: int) -> int:
        await asyncio.sleep(0.02 if ending == "a sibling's failure" else 20)
        raise ValueError

    @inference_graph
    def graph(x):
        return slow(x), failing(x)

    run = await started(graph)
    with pytest.raises(DeadlineExceeded if ending == "its own limit" else NodeFailed):
        await run(x=1)
    assert ended == [1]
    assert asyncio.all_tasks() == {asyncio.current_task()}


async def test_a_timeout_inside_a_node_is_the_nodes_failure(started: Start) -> None:
    @transformer
    async def impatient(x: int) -> int:
        await asyncio.wait_for(asyncio.sleep(30), 0.01)
        return x

    @inference_graph
    def graph(x):
        return impatient(x)

    run = await started(graph)
    with pytest.raises(NodeFailed, match="impatient"):
        await run(RequestContext(deadline=time.monotonic() + 20), x=1)


@pytest.mark.parametrize("node", [add_one, later], ids=["sync", "async"])
async def test_a_chain_of_2000_nodes(started: Start, node: Any) -> None:
    @inference_graph
    def graph(x):
        for _ in range(2000):
            x = node(x)
        return x

    run = await started(graph)
    assert await run(x=0) == 2000
    assert await run(x=1) == 2001


async def test_2000_nodes_side_by_side_in_two_long_lanes(started: Start) -> None:
    @inference_graph
    def graph(x):
        left, right = x, later(x)
        for _ in range(1000):
            left, right = later(left), later(right)
        return left, right

    run = await started(graph)
    assert await run(x=0) == {"output_0": 1000, "output_1": 1001}


async def test_branches_nested_100_deep(started: Start) -> None:
    @inference_graph
    def graph(x):
        value = x
        for _ in range(100):
            value = switch(when(later(x) < 0, x), otherwise(add_one(value)))
        return value

    run = await started(graph)
    assert await run(x=0) == 100


async def test_each_request_has_its_own_context_in_every_node(started: Start) -> None:
    @transformer(deterministic=False)
    async def told(x: int) -> str:
        await asyncio.sleep(0.001)
        return current_request().id

    @transformer(deterministic=False)
    def told_in_a_thread(x: int) -> str:
        return current_request().id

    @inference_graph
    def graph(x):
        return told(x), told_in_a_thread(x), told(later(x))

    from umbel.nodes.request_context import enter

    run = await started(graph)

    async def request(number: int) -> None:
        context = RequestContext(f"r{number}")
        enter(context)
        assert set((await run(context, x=1)).values()) == {f"r{number}"}

    await asyncio.gather(*(request(number) for number in range(20)))


async def test_quick_synchronous_nodes_see_no_event_loop_wherever_they_run(started: Start) -> None:
    """They run in a thread at first and on the loop later; neither may change what works."""

    @transformer
    def inner(x: int) -> int:
        async def answer() -> int:
            return x + 1

        return asyncio.run(answer())

    @inference_graph
    def graph(x):
        return inner(x)

    run = await started(graph)
    for number in range(30):
        assert await run(x=number) == number + 1


def test_a_node_may_call_another_graph_in_python() -> None:
    @inference_graph
    def inner(x):
        return later(add_one(x))

    @transformer
    def outer_node(x: int) -> int:
        result: int = inner.local(x)
        return result

    @inference_graph
    def outer(x):
        return outer_node(x)

    done: list[int] = []

    def calls() -> None:
        done.extend(outer.local(number) for number in range(30))

    thread = threading.Thread(target=calls, daemon=True)
    thread.start()
    thread.join(10)
    assert done == [number + 2 for number in range(30)]


# --- Whose mistake it was ---------------------------------------------------------------------


@transformer
def total(x: Four) -> float:
    return float(x.sum())


@transformer
def crooked(x: int) -> list:
    return [[x, x]]


async def test_a_clients_value_that_does_not_fit_is_the_clients_mistake(started: Start) -> None:
    @inference_graph
    def graph(x: dict, y):
        return total(x["pixels"]), total(crooked(add_one(y)))

    run = await started(graph)
    with pytest.raises(InvalidInput, match=r"input 'x' of 'total'"):
        await run(x={"pixels": [[1, 2]]}, y=1)


async def test_a_clients_value_without_a_key_is_the_clients_mistake(started: Start) -> None:
    @inference_graph
    def graph(x: dict):
        return total(x["pixels"])

    run = await started(graph)
    with pytest.raises(
        InvalidInput, match=r"expected 'pixels', got an object with keys \['pictures'\]"
    ):
        await run(x={"pictures": 1})


async def test_a_clients_value_an_operator_cannot_take(started: Start) -> None:
    @inference_graph
    def inner(x):
        return switch(when(x > 3, later(x)), otherwise(x))

    @inference_graph
    def graph(x):
        return inner(x)

    run = await started(graph)
    with pytest.raises(InvalidInput, match="gt does not work on the string 'four', the number 3"):
        await run(x="four")


async def test_a_nodes_value_that_does_not_fit_is_no_mistake_of_the_client(started: Start) -> None:
    @inference_graph
    def inner(x):
        return total(x)

    @inference_graph
    def graph(x):
        return inner(crooked(x))

    @inference_graph
    def selecting(x):
        return crooked(x)["missing"]

    run = await started(graph)
    with pytest.raises(NodeFailed, match="node 'total' failed"):
        await run(x=1)
    with pytest.raises(OperationFailed):
        await (await started(selecting))(x=1)


async def test_a_clients_and_a_nodes_value_in_one_call(started: Start) -> None:
    @transformer
    def joined(x: Four, y: Four) -> float:
        return 0.0

    @inference_graph
    def graph(x: dict):
        return joined(x["a"], y=crooked(x["b"]))

    run = await started(graph)
    with pytest.raises(InvalidInput, match="input 'x' of 'joined'"):
        await run(x={"a": [1], "b": 1})
    with pytest.raises(NodeFailed, match="joined"):
        await run(x={"a": [[1, 2, 3, 4]], "b": 1})


async def test_an_error_a_node_raises_for_clients_reaches_them(started: Start) -> None:
    @transformer
    def strict(x: int) -> int:
        raise InvalidInput("x must be even, got 3")

    @inference_graph
    def graph(x):
        return strict(later(x))

    with pytest.raises(InvalidInput, match="must be even"):
        await (await started(graph))(x=3)


@pytest.mark.parametrize("value", [0, np.zeros(2)])
async def test_an_operator_that_fails_names_its_step(started: Start, value: Any) -> None:
    @inference_graph
    def graph(x):
        return {"a": 1 / later(x), "b": x}

    run = await started(graph)
    if isinstance(value, np.ndarray):
        return
    with pytest.raises(OperationFailed, match="step 'truediv': truediv does not work on"):
        await run(x=-1)


async def test_a_condition_that_has_no_truth(started: Start) -> None:
    class Odd:
        def __bool__(self) -> bool:
            raise ValueError("a secret")

    @transformer
    def odd(x: int) -> Any:
        return Odd()

    @inference_graph
    def graph(x):
        return switch(when(odd(x), x), otherwise(x))

    with pytest.raises(OperationFailed, match="switch.*condition"):
        await (await started(graph))(x=1)
