"""The core alone: any edits, any interruption, and applications that come up or do not."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import jsonschema
from hypothesis import given, settings
from hypothesis import strategies as st

from fake_cluster import service
from umbel.k8s.crds.status_schema import STATUS
from umbel.k8s.operator.cluster import merge_patch
from umbel.k8s.operator.desired import desired
from umbel.k8s.operator.ray_serve import owned
from umbel.k8s.operator.routing import route_changes
from umbel.k8s.operator.settings import OperatorSettings
from umbel.k8s.operator.world import World

SETTINGS = OperatorSettings(target="ray", linger_s=2)
ROUTE = "/default/iris"


@dataclass
class Simulation:
    """One service and a Serve that takes a moment. Time is counted in ticks."""

    raw: dict[str, Any]
    revisions: list[dict[str, Any]] = field(default_factory=list)
    applications: dict[str, dict[str, Any]] = field(default_factory=dict)
    since: dict[str, int] = field(default_factory=dict)
    settled: dict[str, int] = field(default_factory=dict)
    now: int = 0

    moved: dict[str, int] = field(default_factory=dict)

    def state(self, name: str) -> str:
        if self.now - self.since[name] < 2:
            return "DEPLOYING"
        if self.now - self.moved.get(name, -9) < 2 and "bad" not in str(self.applications[name]):
            return "DEPLOYING"  # replicas are told their new route
        return "DEPLOY_FAILED" if "bad" in str(self.applications[name]) else "RUNNING"

    def world(self) -> World:
        found = {}
        for name, config in self.applications.items():
            started = self.now - self.since[name] >= 2
            state = "UPDATING" if started and "bad" not in str(config) else "STARTING"
            details = {
                "status": self.state(name),
                "deployed_app_config": config,
                "deployments": {
                    "graph": {"target_num_replicas": 1, "replicas": [{"state": state}]}
                },
            }
            app = owned(name, details, SETTINGS)
            assert app is not None
            found[name] = app
        holders = [a.name for a in found.values() if a.route is not None and a.runs]
        self.settled = {name: self.settled.get(name, self.now) for name in holders}
        return World(
            services=(copy.deepcopy(self.raw),),
            revisions=tuple(copy.deepcopy(self.revisions)),
            applications=found,
            settled={name: float(self.now - since) for name, since in self.settled.items()},
            now=f"2026-01-01T00:00:{self.now % 60:02d}Z",
        )

    def one_pass(self, writes_left: int) -> int:
        """One pass that dies after so many writes; how many it wanted to make."""
        world = self.world()
        wanted = desired(world, SETTINGS)
        (outcome,) = wanted.outcomes
        wanted_writes = 0
        for revision in outcome.create:
            wanted_writes += 1
            if wanted_writes <= writes_left:
                self.revisions.append(copy.deepcopy(dict(revision)))
        if route_changes(wanted.applications, world.applications):
            wanted_writes += 1
            if wanted_writes <= writes_left:
                self.put(wanted.applications)
        if outcome.status != self.raw.get("status"):
            wanted_writes += 1
            if wanted_writes <= writes_left:
                assert merge_patch(self.raw.get("status"), outcome.status)
                self.raw["status"] = copy.deepcopy(dict(outcome.status or {}))
        return wanted_writes

    def put(self, applications: tuple[dict[str, Any], ...]) -> None:
        answered = self.answers()
        known = {name: one["route_prefix"] for name, one in self.applications.items()}
        self.applications = {one["name"]: copy.deepcopy(one) for one in applications}
        routes = [one["route_prefix"] for one in applications if one["route_prefix"]]
        assert len(set(routes)) == len(routes)
        for name in self.applications:
            if name not in known:
                self.since[name] = self.now
            elif known[name] != self.applications[name]["route_prefix"]:
                self.moved[name] = self.now
        stopped = "serving.kserve.io/stop" in self.raw["metadata"]["annotations"]
        assert self.answers() or not answered or stopped, "a path lost its application"

    def answers(self) -> bool:
        """True while the path leads to something that runs, with all that it needs."""
        for name, config in self.applications.items():
            if config.get("route_prefix") == ROUTE:
                shares = config["args"].get("front", {}).get("shares", {})
                there = all(one in self.applications for one in shares)
                return self.now - self.since[name] >= 2 and there and "bad" not in str(config)
        return False

    def edit(self, uri: str, percent: int | None, stopped: bool) -> None:
        notes = {"serving.kserve.io/stop": "true"} if stopped else {}
        canary = {} if percent is None else {"canaryTrafficPercent": percent}
        new = service(uri=uri, annotations=notes, **canary)
        if new["spec"] != self.raw["spec"]:
            self.raw["metadata"]["generation"] += 1
        self.raw["spec"], self.raw["metadata"]["annotations"] = new["spec"], notes


def fresh() -> Simulation:
    raw = service(uri="gs://a")
    raw["metadata"] |= {"uid": "1", "generation": 1, "resourceVersion": "1"}
    return Simulation(raw)


def settle(simulation: Simulation) -> None:
    for _ in range(40):
        simulation.now += 1
        simulation.one_pass(10)


EDITS = st.tuples(
    st.sampled_from(["gs://a", "gs://b", "gs://c", "gs://bad"]),
    st.sampled_from([None, 0, 20, 100]),
    st.sampled_from([False, False, False, True]),
)
STEPS = st.one_of(EDITS, st.integers(0, 4), st.integers(0, 4), st.integers(0, 4))


@settings(max_examples=40, deadline=None)
@given(st.lists(STEPS, max_size=25), st.sampled_from([None, 0, 20, 100]))
def test_any_history_ends_where_the_spec_says(steps: list[Any], percent: int | None) -> None:
    simulation = fresh()
    for step in steps:
        if isinstance(step, tuple):
            simulation.edit(*step)
        else:
            simulation.now += 1
            simulation.one_pass(step)
    simulation.edit("gs://end", percent, False)
    settle(simulation)
    assert simulation.one_pass(0) == 0, "it does not come to rest"
    status = simulation.raw["status"]
    ready = {one["type"]: one["status"] for one in status["conditions"]}
    assert ready["Ready"] == "True", status
    traffic = status["components"]["predictor"]["traffic"]
    assert sum(one["percent"] for one in traffic) == 100
    newest = next((one["percent"] for one in traffic if one["latestRevision"]), 0)
    assert newest in (100, percent)
    assert percent is not None or newest == 100
    assert simulation.answers()
    assert len(simulation.applications) <= 3  # two revisions and a front


def test_a_status_has_the_fields_of_the_crd_and_no_others() -> None:
    schema = STATUS["InferenceService"]
    simulation = fresh()
    for step in range(60):
        simulation.now += 1
        if step % 12 == 0:
            uri = ("gs://a", "gs://b", "gs://bad", "gs://a", "gs://c")[step // 12]
            simulation.edit(uri, 20 if step == 12 else None, step == 36)
        simulation.one_pass(10)
        status = simulation.raw["status"]
        jsonschema.validate(status, schema)
        assert list(unknown(schema, status)) == []


def unknown(schema: dict[str, Any], value: Any, path: str = "status") -> Iterator[str]:
    """Fields that an API server would drop."""
    if isinstance(value, list):
        for one in value:
            yield from unknown(schema["items"], one, path)
    elif isinstance(value, dict):
        for key, inner in value.items():
            known = schema.get("properties", {}).get(key, schema.get("additionalProperties"))
            if known is None:
                yield f"{path}.{key}"
            else:
                yield from unknown(known, inner, f"{path}.{key}")


def test_the_same_snapshot_gives_the_same_answer() -> None:
    simulation = fresh()
    settle(simulation)
    world = simulation.world()
    assert desired(world, SETTINGS) == desired(world, SETTINGS)
