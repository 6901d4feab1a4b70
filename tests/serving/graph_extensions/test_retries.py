"""``umbel.dev/retries``: further attempts, bounded by the deadline."""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable
from typing import Any

import pytest


def after(failures: int, status: int = 503) -> Callable[[Any], Any]:
    """A service that fails so many times."""
    count = itertools.count()
    return lambda body: (status, {"busy": True}) if next(count) < failures else {"ok": body}


def one(**step: Any) -> dict[str, Any]:
    return {"root": ("Sequence", [{"name": "a", "call": "a", **step}])}


async def test_without_the_annotation_there_is_one_attempt(serve: Any, services: Any) -> None:
    services.answers["a"] = after(1)
    graph = await serve(one(), {})
    assert await graph({}) == (503, {"busy": True})
    assert services.count("a") == 1


@pytest.mark.parametrize("status", [502, 503, 504])
async def test_the_default_statuses(serve: Any, services: Any, status: int) -> None:
    services.answers["a"] = after(2, status)
    graph = await serve(one(), {"retries": {"root.a": {"attempts": 3, "backoffMs": 1}}})
    assert await graph({"x": 1}) == (200, {"ok": {"x": 1}})
    assert services.bodies("a") == [{"x": 1}] * 3


async def test_the_last_reply_counts_when_attempts_are_used_up(serve: Any, services: Any) -> None:
    services.answers["a"] = after(9)
    graph = await serve(one(), {"retries": {"default": {"attempts": 3, "backoffMs": 1}}})
    assert await graph({}) == (503, {"busy": True})
    assert services.count("a") == 3


async def test_other_statuses_are_answers(serve: Any, services: Any) -> None:
    services.answers["a"] = after(9, 500)
    graph = await serve(one(), {"retries": {"default": {"attempts": 3, "backoffMs": 1}}})
    assert (await graph({}))[0] == 500
    assert services.count("a") == 1


async def test_listed_statuses_replace_the_default(serve: Any, services: Any) -> None:
    services.answers["a"] = after(1, 429)
    retries = {"default": {"attempts": 2, "backoffMs": 1, "statuses": [429]}}
    graph = await serve(one(), {"retries": retries})
    assert (await graph({}))[0] == 200


async def test_no_reply_at_all_is_tried_again(serve: Any, services: Any) -> None:
    graph = await serve(
        {"root": ("Sequence", [{"name": "a", "serviceUrl": "http://127.0.0.1:1/"}])},
        {"retries": {"default": {"attempts": 3, "backoffMs": 40}}},
    )
    began = time.monotonic()
    status, body = await graph({})
    assert status == 500
    assert body["error"] == "Failed to process request"
    assert time.monotonic() - began >= 0.06, "two pauses, of 20 to 40 and of 40 to 80 ms"


async def test_a_steps_own_entry_wins_over_the_default(serve: Any, services: Any) -> None:
    services.answers |= {"a": after(9), "b": after(9)}
    steps = [{"name": name, "call": name} for name in "ab"]
    retries = {
        "default": {"attempts": 4, "backoffMs": 1},
        "root.b": {"attempts": 2, "backoffMs": 1},
    }
    graph = await serve({"root": ("Sequence", steps)}, {"retries": retries})
    await graph({})
    assert (services.count("a"), services.count("b")) == (4, 2)


async def test_the_deadline_bounds_everything(serve: Any, services: Any) -> None:
    services.answers["a"] = after(99)
    retries = {"default": {"attempts": 20, "backoffMs": 100}}
    graph = await serve(one(), {"retries": retries})
    began = time.monotonic()
    assert (await graph({}, within=0.3))[0] == 503
    assert time.monotonic() - began < 0.4
    assert 1 < services.count("a") < 6


async def test_a_service_of_the_same_files_is_tried_again(serve: Any, services: Any) -> None:
    services.answers["inner"] = after(1)
    inner = f"""
apiVersion: serving.kserve.io/v1alpha1
kind: InferenceGraph
metadata: {{name: inner}}
spec:
  nodes:
    root:
      routerType: Sequence
      steps: [{{name: x, serviceUrl: "{services.url}/inner"}}]
"""
    graph = await serve(
        {"root": ("Sequence", [{"name": "a", "serviceName": "inner"}])},
        {"retries": {"root.a": {"attempts": 2, "backoffMs": 1}}},
        inner,
    )
    assert await graph({"x": 2}) == (200, {"ok": {"x": 2}})
    assert services.count("inner") == 2
