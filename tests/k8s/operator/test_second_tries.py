"""A model that came late is found: Serve gives up on an application, the operator does not."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest

from serve_api import ServeApi
from umbel.k8s.operator.compiling import BUILDER
from umbel.k8s.operator.desired import Desired
from umbel.k8s.operator.ray_serve import RayServe
from umbel.k8s.operator.second_tries import FIRST_S, LONGEST_S, SecondTries
from umbel.k8s.operator.settings import OperatorSettings
from umbel.k8s.operator.world import Key, Owner, ServeApplication, World


def app(name: str, status: str) -> ServeApplication:
    owner = Owner(Key("InferenceService", "default", "iris"))
    return ServeApplication(name, None, status, "", {}, owner)


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


def test_ever_more_rarely_and_anew_once_it_ran() -> None:
    clock = Clock()
    tries, waits = SecondTries(clock), []
    failed = {"a": app("a", "DEPLOY_FAILED"), "b": app("b", "UNHEALTHY")}
    for _ in range(6):
        began = clock.now
        while not tries.due("ab", failed):
            clock.now += 10
        waits.append(clock.now - began)
        assert tries.due("ab", {"a": app("a", "DEPLOYING")}) == set()
    assert waits == [FIRST_S, 2 * FIRST_S, 4 * FIRST_S, 8 * FIRST_S, LONGEST_S, LONGEST_S]
    tries.due("ab", {"a": app("a", "RUNNING")})
    assert tries.due("ab", failed) == set()
    clock.now += FIRST_S
    assert tries.due("ab", failed) == {"a"}
    clock.now += 10 * LONGEST_S
    assert tries.due("b", failed) == set()  # nobody wants it any more


@pytest.fixture()
async def serve() -> AsyncIterator[ServeApi]:
    found = ServeApi()
    await found.start()
    yield found
    await found.stop()


async def test_it_is_taken_away_and_comes_back(serve: ServeApi) -> None:
    clock = Clock()
    ray = RayServe(OperatorSettings(target="ray", dashboard_url=serve.url))
    ray._tries = SecondTries(clock)
    missing = {"default.late.1": "there is no model"}
    serve.fails = lambda config: missing.get(config["name"], "")
    names = ("default.late.1", "default.other.1")
    wanted = Desired((), tuple(_application(name) for name in names))

    async def one_pass() -> int:
        return await ray.make_so(World(applications=await ray.read()), wanted)

    assert [await one_pass() for _ in range(3)] == [1, 0, 0]
    clock.now += FIRST_S
    assert [await one_pass() for _ in range(3)] == [1, 1, 0]
    assert [[one["name"] for one in put["applications"]] for put in serve.puts] == [
        list(names),
        ["default.other.1"],
        list(names),
    ]
    missing.clear()
    clock.now += LONGEST_S
    assert [await one_pass() for _ in range(2)] == [0, 0]


def _application(name: str) -> dict[str, Any]:
    key = ["InferenceService", "default", name.split(".")[1]]
    owner = {"operator": "umbel", "resource": key, "role": "model", "revision": ""}
    return {
        "name": name,
        "route_prefix": f"/default/{key[2]}",
        "import_path": BUILDER,
        "args": {"owner": owner},
    }
