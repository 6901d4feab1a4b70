"""Several operators in one process whose every request waits for its turn: the test says whose
comes next, and which fail. All but the two servers behind the requests is the operator's own code.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import random
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any
from unittest import mock

import yaml

import serve_api
from kube_api import KubeApi, _status
from kube_store import RESOURCES, KubeStore, Object, Rejected
from serve_api import ServeApi
from umbel.graph.errors import UmbelError
from umbel.k8s.manifests import RenderOptions
from umbel.k8s.operator import snapshot
from umbel.k8s.operator.api_errors import ClusterUnavailable, read_answer
from umbel.k8s.operator.cluster import Cluster
from umbel.k8s.operator.container_objects import ContainerObjects
from umbel.k8s.operator.executor import Executor
from umbel.k8s.operator.kuberay import KubeRay
from umbel.k8s.operator.lease import Leadership
from umbel.k8s.operator.loop import ReconcileLoop
from umbel.k8s.operator.ray_serve import RayServe
from umbel.k8s.operator.settings import OperatorSettings, Target
from umbel.k8s.operator.snapshot import Observer
from umbel.k8s.operator.target import ServeUnavailable, Serving

KINDS = {one.kind: one for one in RESOURCES}


@dataclass
class Clock:
    """Time passes when the test says so."""

    now: float = 1000.0

    def monotonic(self) -> float:
        return self.now


@dataclass
class Request:
    """As much of aiohttp's as the servers look at."""

    method: str
    path: str
    body: str = ""
    query: Mapping[str, str] = field(default_factory=dict)
    content_type: str = "application/json"

    async def text(self) -> str:
        return self.body

    async def json(self) -> Any:
        return json.loads(self.body)


class Gate:
    """Where one operator's requests wait. A turn may carry a fault: ``before`` the request does
    anything, or ``after`` it did."""

    def __init__(self) -> None:
        self.waiting: list[asyncio.Future[str]] = []

    async def turn(self) -> str:
        mine: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        self.waiting.append(mine)
        return await mine

    def release(self, chance: random.Random, fault: str = "") -> None:
        mine = self.waiting.pop(chance.randrange(len(self.waiting)))
        if not mine.done():
            mine.set_result(fault)


class SteppedCluster(Cluster):
    """The API server, a turn for each request."""

    def __init__(self, api: KubeApi, gate: Gate) -> None:
        super().__init__()
        self._api, self._gate = api, gate

    async def ask(
        self,
        method: str,
        path: str,
        body: object = None,
        *,
        headers: Mapping[str, str] | None = None,
        query: Mapping[str, str] | None = None,
    ) -> dict[str, Any]:
        fault = await self._gate.turn()
        if fault == "before":
            raise ClusterUnavailable(f"{method} {path}: a fault")
        text = "" if body is None else json.dumps(body)
        kind = (headers or {}).get("content-type", "application/json")
        request = Request(method, path, text, query or {}, kind)
        try:
            reply: Any = await self._api._route(request)  # type: ignore[arg-type]
        except Rejected as error:
            reply = _status(error)
        if fault == "after":
            raise ClusterUnavailable(f"{method} {path}: a fault after it was done")
        return read_answer(method, path, reply.status, reply.text)


class SteppedServe(RayServe):
    """Serve's REST API, a turn for each request."""

    def __init__(self, settings: OperatorSettings, api: ServeApi, gate: Gate) -> None:
        super().__init__(settings)
        self._api, self._gate = api, gate

    async def _ask(self, method: str, body: object) -> dict[str, Any]:
        fault = await self._gate.turn()
        if fault == "before":
            raise ServeUnavailable(f"{method}: a fault")
        request: Any = Request(method, "", json.dumps(body))
        reply = await (self._api._put(request) if method == "PUT" else self._api._get(request))
        if fault == "after" or reply.status != 200:
            raise ServeUnavailable(f"{method}: {reply.status} {reply.text}")
        found: dict[str, Any] = json.loads(reply.text or "{}")
        return found


@dataclass
class Operator:
    """One life of an operator. ``idle`` counts its passes in a row that wrote nothing."""

    loop: ReconcileLoop
    executor: Executor
    gate: Gate
    task: asyncio.Task[float] | None = None
    idle: int = 0
    wrote: int = 0


class Race:
    """``count`` operators over one API server and one Serve (or KubeRay's stand-in)."""

    def __init__(self, seed: int, target: Target, count: int = 2, faults: float = 0.0) -> None:
        self.chance, self.target, self.faults = random.Random(seed), target, faults
        self.store, self.serve, self.clock = KubeStore(), ServeApi(start_s=1.0, move_s=0.5), Clock()
        self.api = KubeApi(self.store)
        self.settings = OperatorSettings(target=target, linger_s=2.0, resync_s=5.0)
        self.operators = [self._born() for _ in range(count)]

    @property
    def writes(self) -> int:
        return len(self.store.writes) + len(self.serve.puts)

    def _born(self) -> Operator:
        gate = Gate()
        cluster = SteppedCluster(self.api, gate)
        serving: Serving = SteppedServe(self.settings, self.serve, gate)
        if self.target == "kuberay":
            serving = KubeRay(cluster, self.settings, RenderOptions())
        containers = ContainerObjects(cluster, self.settings)
        executor = Executor(cluster, serving, containers)
        observer = Observer(cluster, serving, self.settings, containers)
        leadership = Leadership(cluster, self.settings, "x")
        loop = ReconcileLoop(observer, executor, leadership, self.settings)
        return Operator(loop, executor, gate)

    async def kill(self, index: int) -> None:
        """As SIGKILL does: whatever it had under way stays half done, and another is started."""
        await self._end(self.operators[index])
        self.operators[index] = self._born()

    async def close(self) -> None:
        for one in self.operators:
            await self._end(one)

    async def _end(self, one: Operator) -> None:
        if one.task is not None:
            one.task.cancel()
            await asyncio.gather(one.task, return_exceptions=True)

    async def step(self, *, faults: bool = True) -> None:
        """One request of one operator, or the beginning of its next pass."""
        one = self.chance.choice(self.operators)
        if one.task is None or (one.task.done() and not one.gate.waiting):
            self._next_pass(one)
        elif one.gate.waiting:
            faulty = faults and self.chance.random() < self.faults
            one.gate.release(self.chance, self.chance.choice(("before", "after")) * faulty)
        for _ in range(12):  # until everything waits again
            await asyncio.sleep(0)
        self.clock.now += self.chance.uniform(0.0, 0.05)
        if self.target == "kuberay" and self.chance.random() < 0.1:
            await self._control()

    def _next_pass(self, one: Operator) -> None:
        if one.task is not None:
            error = one.task.exception()
            if error is not None and not isinstance(error, UmbelError):
                raise error
            quiet = error is None and one.executor.writes == one.wrote
            one.idle = one.idle + 1 if quiet else 0
            self.clock.now += 0.3
        one.wrote = one.executor.writes
        one.task = asyncio.create_task(one.loop.one_pass())

    async def rests(self, passes: int = 4, limit: int = 60_000) -> None:
        """Until each operator has looked so often without writing. Fails where they never do."""
        for one in self.operators:
            one.idle = 0
        for _ in range(limit):
            await self.step(faults=False)
            if all(one.idle >= passes for one in self.operators):
                return
        raise AssertionError(f"no rest after {self.writes} writes: {self.store.writes[-6:]}")

    async def _control(self) -> None:
        """KubeRay's controller: brings up what each RayService asks for."""
        kind = KINDS["RayService"]
        for raw in self.store.objects(kind):
            names = [one["name"] for one in self.served(raw)]
            states = {name: {"status": "RUNNING"} for name in names}
            active = {"rayClusterName": "c", "applicationStatuses": states}
            if (raw.get("status") or {}).get("activeServiceStatus") != active:
                made = {**raw, "status": {"activeServiceStatus": active}}
                await self.store.update(kind, raw, made, status=True)

    @staticmethod
    def served(raw: Object) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = yaml.safe_load(raw["spec"]["serveConfigV2"])["applications"]
        return found

    def applications(self) -> dict[str, dict[str, Any]]:
        """All that is deployed, by name."""
        if self.target == "ray":
            return self.serve.applications
        raws = self.store.objects(KINDS["RayService"])
        return {one["name"]: one for raw in raws for one in self.served(raw)}

    async def apply(self, raw: Object) -> None:
        """As a user's kubectl does."""
        kind, name = KINDS[raw["kind"]], raw["metadata"]["name"]
        try:
            old = self.store.get(kind, "default", name)
        except Rejected:
            await self.store.create(kind, "default", raw)
            return
        if old["metadata"].get("deletionTimestamp"):
            return
        new = {**old, "spec": raw["spec"]}
        new["metadata"] = {**old["metadata"], "annotations": raw["metadata"]["annotations"]}
        await self.store.update(kind, old, new)

    async def delete(self, kind: str, name: str) -> None:
        with contextlib.suppress(Rejected):
            await self.store.delete(KINDS[kind], self.store.get(KINDS[kind], "default", name))

    def find(self, kind: str, name: str) -> Object | None:
        with contextlib.suppress(Rejected):
            return self.store.get(KINDS[kind], "default", name)
        return None


@contextlib.contextmanager
def race(seed: int, target: Target, count: int = 2, faults: float = 0.0) -> Iterator[Race]:
    """A race whose time is its own."""
    made = Race(seed, target, count, faults)
    with (
        mock.patch.object(snapshot, "time", made.clock),
        mock.patch.object(serve_api, "time", made.clock),
    ):
        yield made


def ready(raw: Object | None) -> dict[str, Any]:
    """The condition, if it is about the spec as it stands."""
    status = (raw or {}).get("status") or {}
    if raw is None or status.get("observedGeneration") != raw["metadata"]["generation"]:
        return {}
    return next((c for c in status.get("conditions", []) if c["type"] == "Ready"), {})
