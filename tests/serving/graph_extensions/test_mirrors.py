"""``umbel.dev/mirror``: a copy of the traffic that changes nothing for the client."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Any

import pytest


async def until(happened: Callable[[], bool]) -> None:
    for _ in range(400):
        if happened():
            return
        await asyncio.sleep(0.005)
    raise AssertionError("it did not happen within 2 s")


@pytest.mark.parametrize("answer", [{"other": 1}, (500, {"broken": True}), b"no JSON"])
@pytest.mark.parametrize("kind", ["Sequence", "Ensemble", "Switch", "Splitter"])
async def test_the_reply_is_that_of_the_graph_without_it(
    serve: Any, services: Any, kind: str, answer: Any
) -> None:
    services.answers |= {"a": lambda body: {"a": body}, "s": lambda body: answer}
    condition = {"condition": "x"} if kind == "Switch" else {}
    weights = ({"weight": 0}, {"weight": 100}) if kind == "Splitter" else ({}, {})
    shadow = {"call": "s", "name": "s", "dependency": "Hard", **weights[0]}
    live = {"call": "a", **condition, **weights[1]}
    plain = await serve({"root": (kind, [live])}, {})
    graph = await serve({"root": (kind, [shadow, live])}, {"mirror": ["root.s"]})
    assert await graph.reply({"x": 1}) == await plain.reply({"x": 1})
    await until(lambda: services.count("s") == 1)
    assert services.bodies("s") == [{"x": 1}]


async def test_nobody_waits_for_it(serve: Any, services: Any) -> None:
    services.answers |= {"a": lambda body: {"a": 1}, "s": lambda body: {}}
    services.delays["s"] = 0.5
    steps = [{"call": "a", "name": "a"}, {"call": "s", "name": "s"}]
    graph = await serve({"root": ("Sequence", steps)}, {"mirror": ["root.s"]})
    began = time.monotonic()
    assert await graph({}) == (200, {"a": 1})
    assert time.monotonic() - began < 0.3
    await graph.host.close()
    assert services.count("s") == 1


async def test_in_a_sequence_it_gets_what_its_place_gets(serve: Any, services: Any) -> None:
    services.answers |= {
        "a": lambda body: {"from": "a"},
        "s": lambda body: {"from": "s"},
        "b": lambda body: body,
    }
    steps = [
        {"call": "a", "name": "a"},
        {"call": "s", "name": "s", "data": "$response"},
        {"call": "b", "name": "b", "data": "$response"},
    ]
    graph = await serve({"root": ("Sequence", steps)}, {"mirror": ["root.s"]})
    assert await graph({"x": 1}) == (200, {"from": "a"})
    await until(lambda: services.count("s") == 1)
    assert services.bodies("s") == [{"from": "a"}]


async def test_its_condition_decides_only_for_itself(serve: Any, services: Any) -> None:
    services.answers |= {"a": lambda body: {"sure": body}, "s": lambda body: {}}
    steps = [{"call": "a", "name": "a"}, {"call": "s", "name": "s", "condition": "sure.x"}]
    graph = await serve({"root": ("Sequence", steps)}, {"mirror": ["root.s"]})
    assert await graph({"y": 1}) == (200, {"sure": {"y": 1}})
    assert await graph({"x": 1}) == (200, {"sure": {"x": 1}})
    await graph.host.close()
    assert services.bodies("s") == [{"y": 1}] * 0 + [{"x": 1}]


async def test_a_percentage_of_the_requests(serve: Any, services: Any) -> None:
    services.answers |= {"a": lambda body: {}, "s": lambda body: {}}
    steps = [{"call": "a", "name": "a"}, {"call": "s", "name": "s"}]
    for percent, low, high in ((0, 0, 0), (50, 1, 49), (100, 50, 50)):
        services.calls.clear()
        graph = await serve(
            {"root": ("Ensemble", steps)}, {"mirror": [{"step": "root.s", "percent": percent}]}
        )
        for _ in range(50):
            await graph({})
        await graph.host.close()
        assert low <= services.count("s") <= high


async def test_unnamed_steps_of_an_ensemble_keep_their_numbers(serve: Any, services: Any) -> None:
    services.answers |= {"a": lambda body: {"a": 1}, "s": lambda body: {}}
    steps = [{"call": "s", "name": "s"}, {"call": "a"}]
    graph = await serve({"root": ("Ensemble", steps)}, {"mirror": ["root.s"]})
    assert await graph({}) == (200, {"0": {"a": 1}})


async def test_too_many_at_once_are_dropped_and_counted(serve: Any, services: Any) -> None:
    services.answers |= {"a": lambda body: {}, "s": lambda body: {}}
    services.delays["s"] = 0.2
    steps = [{"call": "a", "name": "a"}, {"call": "s", "name": "s"}]
    graph = await serve({"root": ("Sequence", steps)}, {"mirror": ["root.s"]})
    background = graph.host.background
    background.most = 3
    for _ in range(5):
        assert (await graph({}))[0] == 200
    assert (background.started, background.dropped, background.in_flight) == (3, 2, 3)
    assert b'umbel_mirrored_total{outcome="dropped"} 2.0' in await graph.host.metrics_text()
    await graph.host.close()
    assert services.count("s") == 3
    assert background.in_flight == 0


async def test_a_dead_mirror_is_counted(serve: Any, services: Any) -> None:
    services.answers["a"] = lambda body: {"a": 1}
    dead = {"serviceUrl": "http://127.0.0.1:1/", "name": "s"}
    graph = await serve(
        {"root": ("Sequence", [dead, {"call": "a", "name": "a"}])}, {"mirror": ["root.s"]}
    )
    assert await graph({}) == (200, {"a": 1})
    await until(lambda: graph.host.background.failed == 1)


async def test_a_mirrored_node_with_all_its_steps(serve: Any, services: Any) -> None:
    services.answers |= {"a": lambda body: {"a": 1}, "s": lambda body: {}, "t": lambda body: {}}
    nodes = {
        "root": ("Sequence", [{"name": "s", "nodeName": "more"}, {"call": "a", "name": "a"}]),
        "more": ("Ensemble", [{"call": "s", "name": "s"}, {"call": "t", "name": "t"}]),
    }
    graph = await serve(nodes, {"mirror": ["root.s"]})
    assert await graph({}) == (200, {"a": 1})
    await until(lambda: services.count("s") == services.count("t") == 1)
