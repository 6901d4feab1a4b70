"""Two operators at the same time, without a Lease, in every order of their requests; with faults,
and killed at any of them. What they leave behind is what the resources describe."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fake_cluster import graph, service
from kube_store import Object, Rejected, Resource
from stepped_operators import KINDS, Race, race, ready
from umbel.k8s.operator.settings import Target

STOP = {"serving.kserve.io/stop": "true"}

NAMES = st.sampled_from(["a", "b"])
URIS = st.sampled_from(["gs://m/1", "gs://m/2", "gs://m/3"])
PERCENTS = st.sampled_from([None, None, 0, 30])

EDITS = st.one_of(
    st.tuples(st.just("apply"), NAMES, URIS, PERCENTS, st.sampled_from([False, False, True])),
    st.tuples(st.just("delete"), NAMES),
    st.tuples(st.just("graph"), st.booleans()),
    st.tuples(st.just("kill"), st.integers(0, 1)),
    st.tuples(st.just("forget")),
)


async def edit(found: Race, one: tuple[Any, ...]) -> None:
    if one[0] == "apply":
        _, name, uri, percent, stopped = one
        canary = {} if percent is None else {"canaryTrafficPercent": percent}
        await found.apply(service(name, uri, annotations=STOP if stopped else {}, **canary))
    elif one[0] == "delete":
        await found.delete("InferenceService", one[1])
    elif one[0] == "graph" and one[1]:
        await found.apply(graph("g", "a", "still"))
    elif one[0] == "graph":
        await found.delete("InferenceGraph", "g")
    elif one[0] == "kill":
        await found.kill(one[1])
    elif found.target == "ray":  # Ray's head came back, and knows nothing
        found.serve.applications.clear()


def check(found: Race) -> None:
    """What is deployed is what the resources ask for, no less and no more."""
    wanted = set()
    for name in ("a", "b", "still"):
        raw = found.find("InferenceService", name)
        if raw is None:
            continue
        assert not raw["metadata"].get("deletionTimestamp"), f"{name} is held for ever"
        if raw["metadata"]["annotations"]:
            assert ready(raw).get("reason") == "Stopped", raw
            continue
        assert ready(raw).get("status") == "True", (name, raw["status"])
        wanted.add(f"default.{name}")
        percent = raw["spec"]["predictor"].get("canaryTrafficPercent")
        newest = [
            one["percent"]
            for one in raw["status"]["components"]["predictor"]["traffic"]
            if one["latestRevision"]
        ]
        assert newest == [100] or percent is not None
        uri = raw["spec"]["predictor"]["sklearn"]["storageUri"]
        if newest == [100]:
            assert uri in str(holder(found, name)), name
    raw = found.find("InferenceGraph", "g")
    if raw is not None:
        complete = "default.a" in wanted
        assert (ready(raw).get("status") == "True") == complete, raw["status"]
        wanted.add("default.g")
    there = {name.rpartition(".")[0] for name in found.applications()}
    assert there - {"default.g"} == wanted - {"default.g"}
    assert there <= wanted
    revisions = [
        (
            one["metadata"]["ownerReferences"][0]["uid"],
            one["metadata"]["labels"]["umbel.dev/digest"],
        )
        for one in found.store.objects(KINDS["ControllerRevision"])
    ]
    assert len(set(revisions)) == len(revisions)


def holder(found: Race, name: str) -> Any:
    route = f"/default/{name}" if found.target == "ray" else "/"
    return [
        one
        for key, one in found.applications().items()
        if key.startswith(f"default.{name}.") and one.get("route_prefix") == route
    ]


async def run(seed: int, target: Target, edits: list[tuple[Any, ...]], faults: float) -> Race:
    with race(seed, target, faults=faults) as found:
        try:
            await found.apply(service("still", "gs://m/still"))
            await found.rests()
            for one in edits:
                await edit(found, one)
                for _ in range(found.chance.randrange(60)):
                    await found.step()
                    undisturbed(found, edits)
            await found.rests()
            before = found.writes
            await found.rests()
            assert found.writes == before
            check(found)
            events = len(found.store.objects(KINDS["Event"]))
            assert events <= 8 * (len(edits) + 1) * 3, events
        finally:
            await found.close()
    return found


def undisturbed(found: Race, edits: list[tuple[Any, ...]]) -> None:
    """What nobody changes is never taken away, not for a moment."""
    if ("forget",) not in edits:
        assert holder(found, "still"), "what nobody changed lost its path"


async def test_what_one_resource_is_refused_holds_up_no_other() -> None:
    """A quota, a policy, a webhook that fails: it is about one namespace or one object."""
    for code in (403, 500):
        with race(1, "ray", count=1) as found:
            refuse(found, code)
            await found.apply(service("a"))
            await found.apply(service("b"))
            for _ in range(400):
                await found.step(faults=False)
            assert ready(found.find("InferenceService", "b")).get("status") == "True"
            assert not any("default.a." in name for name in found.applications())
            del found.store.create  # type: ignore[method-assign]
            await found.rests()
            assert ready(found.find("InferenceService", "a")).get("status") == "True"
            await found.close()


def refuse(found: Race, code: int) -> None:
    """No revision of the service ``a`` can be recorded."""
    create = found.store.create

    async def refusing(resource: Resource, namespace: str, given: Object) -> Object:
        if resource.kind == "ControllerRevision" and given["metadata"]["name"].startswith("a-"):
            raise Rejected(code, "Refused", "by somebody")
        return await create(resource, namespace, given)

    found.store.create = refusing  # type: ignore[method-assign]


@pytest.mark.slow
@settings(max_examples=12, deadline=None)
@given(st.integers(0, 10**6), st.lists(EDITS, max_size=8), st.sampled_from([0.0, 0.05]))
async def test_two_operators_on_one_ray_cluster(
    seed: int, edits: list[tuple[Any, ...]], faults: float
) -> None:
    await run(seed, "ray", edits, faults)


@pytest.mark.slow
@settings(max_examples=4, deadline=None)
@given(st.integers(0, 10**6), st.lists(EDITS, max_size=6), st.sampled_from([0.0, 0.05]))
async def test_two_operators_with_kuberay(
    seed: int, edits: list[tuple[Any, ...]], faults: float
) -> None:
    await run(seed, "kuberay", edits, faults)
