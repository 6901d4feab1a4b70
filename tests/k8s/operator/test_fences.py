"""One namespace's resource takes nothing from the others: not their operator, and not more of a
shared Ray cluster than it may."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest

from fake_cluster import graph, service
from umbel.k8s.operator import desired as planning
from umbel.k8s.operator.desired import desired
from umbel.k8s.operator.settings import OperatorSettings
from umbel.k8s.operator.shared_ray import left_out
from umbel.k8s.operator.world import Key, Owner, ServeApplication, World
from umbel.k8s.resources.sizes import LARGEST

RAY = OperatorSettings(target="ray")


def world(*raws: dict[str, Any]) -> World:
    for number, raw in enumerate(raws):
        raw["metadata"] |= {"uid": str(number), "generation": 3}
    return World(
        services=tuple(one for one in raws if one["kind"] == "InferenceService"),
        graphs=tuple(one for one in raws if one["kind"] == "InferenceGraph"),
    )


def ready(there: World, settings: OperatorSettings = RAY) -> dict[str, dict[str, Any]]:
    found = {}
    for outcome in desired(there, settings).outcomes:
        assert outcome.status is not None
        assert outcome.status["observedGeneration"] == 3
        (one,) = [c for c in outcome.status["conditions"] if c["type"] == "Ready"]
        found[outcome.key.name] = one
    return found


def served(there: World, settings: OperatorSettings = RAY) -> set[str]:
    found = desired(there, settings).applications
    return {
        one["args"]["owner"]["resource"][2]
        for one in found
        if one["args"]["owner"]["resource"][0] in ("InferenceService", "InferenceGraph")
    }


def test_what_is_too_large_is_not_read_and_the_others_are() -> None:
    large = service("large", annotations={"umbel.dev/trusted-types": "x," * LARGEST})
    huge = graph("huge", *(f"iris-{n}" for n in range(4000)))
    there = world(large, huge, service("small"))
    found = ready(there)
    for name in ("large", "huge"):
        assert found[name]["reason"] == "TooLarge"
        assert f"at most {LARGEST} are read" in found[name]["message"]
    assert served(there) == {"small"}


def test_what_cannot_be_planned_keeps_what_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    plan = planning.plan_service

    def broken(there: World, raw: Any, settings: OperatorSettings) -> Any:
        if raw["metadata"]["name"] == "bad":
            raise KeyError("the value of a Secret")
        return plan(there, raw, settings)

    monkeypatch.setattr(planning, "plan_service", broken)
    going = service("bad", namespace="going")
    going["metadata"]["deletionTimestamp"] = "2026-01-01T00:00:00Z"
    there = world(service("bad"), service("good"), going)
    apps = {
        namespace: ServeApplication(
            f"{namespace}.bad.1",
            f"/{namespace}/bad",
            "RUNNING",
            "",
            {"args": {"owner": {"resource": ["InferenceService", namespace, "bad"]}}},
            Owner(Key("InferenceService", namespace, "bad")),
        )
        for namespace in ("default", "going")
    }
    there = dataclasses.replace(there, applications={one.name: one for one in apps.values()})
    result = desired(there, RAY)
    names = {one["name"]: one["route_prefix"] for one in result.applications}
    assert names["default.bad.1"] == "/default/bad"
    assert "going.bad.1" not in names
    by_key = {outcome.key: outcome for outcome in result.outcomes}
    bad = by_key[Key("InferenceService", "default", "bad")]
    assert bad.status is not None
    (told,) = bad.status["conditions"]
    assert told["reason"] == "InternalError"
    assert "KeyError, see its log" in told["message"]
    assert "Secret" not in str(bad.status)
    assert by_key[Key("InferenceService", "going", "bad")].held
    assert "good" in served(there)


CUSTOM = {"containers": [{"name": "kserve-container", "image": "x", "command": ["m:Class"]}]}


@pytest.mark.parametrize(
    ("raw", "place"),
    [
        (service(annotations={"umbel.dev/allow-pickle": "true"}), "umbel.dev/allow-pickle"),
        (service(annotations={"umbel.dev/model-sha256": "a" * 64}), "umbel.dev/model-sha256"),
        (service(annotations={"umbel.dev/trusted-types": "os.x"}), "umbel.dev/trusted-types"),
        ({**service(), "spec": {"predictor": CUSTOM}}, "spec.predictor.containers"),
        ({**service(), "spec": {**service()["spec"], "transformer": CUSTOM}}, "spec.transformer"),
    ],
    ids=["pickle", "digest", "types", "class", "transformer"],
)
def test_only_some_namespaces_may_run_code_of_their_own(raw: dict[str, Any], place: str) -> None:
    raw = {**raw, "metadata": {**raw["metadata"]}}
    strict = dataclasses.replace(RAY, own_code_of=("trusted",))
    told = ready(world(raw), strict)["iris"]
    assert (told["status"], told["reason"]) == ("False", "InvalidPredictorSpec")
    assert "UMB-K714" in told["message"]
    assert place in told["message"]
    assert "--own-code-of default" in told["message"]
    assert served(world(raw), strict) == set()
    for settings in (RAY, dataclasses.replace(RAY, own_code_of=("default",))):
        assert "UMB-K714" not in str(ready(world(raw), settings))
    assert served(world(service()), strict) == {"iris"}


def test_replicas_on_a_shared_ray_are_bounded() -> None:
    raw = service(minReplicas=2**31 - 1)
    told = ready(world(raw))["iris"]
    assert "UMB-K715" in told["message"]
    assert "--most-replicas 2147483647" in told["message"]
    assert served(world(raw)) == set()
    assert served(world(service(minReplicas=256))) == {"iris"}
    assert served(world(raw), OperatorSettings(target="kuberay")) == {"iris"}


def test_variables_that_load_code_or_break_processes_are_left_out() -> None:
    names = ("LD_PRELOAD", "PYTHONSTARTUP", "RAY_ADDRESS", "__RAY", "UMBEL_SEAL_KEY_FILE", "A=B")
    env = [{"name": name, "value": "x"} for name in names]
    env += [{"name": "NUL", "value": "a\0b"}, {"name": "MODE", "value": "fast"}]
    raw = service()
    raw["spec"]["predictor"]["sklearn"]["env"] = env
    there = world(raw)
    (app, *_) = [one for one in desired(there, RAY).applications if "runtime_env" in one]
    assert app["runtime_env"]["env_vars"] == {"MODE": "fast"}
    told = " ".join(one.message for one in left_out(raw))
    for name in (*names, "NUL"):
        assert f"env[{name}]" in told
