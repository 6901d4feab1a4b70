"""Whatever is done to a resource while clients ask: what was accepted is answered, and what is
gone says so with a 404. Nothing in between is a 5xx."""

from __future__ import annotations

import asyncio
import os
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest

import patient_model
from fake_cluster import FakeCluster, graph
from ray_head import RayHead, ray_head

pytestmark = [pytest.mark.ray, pytest.mark.slow, pytest.mark.soak]

STOP = {"serving.kserve.io/stop": "true"}
SLOW_S = 2.0


def patient(revision: int, *, stopped: bool = False, **predictor: Any) -> dict[str, Any]:
    """A service whose answers hold ``revision``."""
    container = {
        "name": "kserve-container",
        "image": "unused",
        "args": ["patient_model:Patient", "--revision", str(revision)],
    }
    return {
        "apiVersion": "serving.kserve.io/v1beta1",
        "kind": "InferenceService",
        "metadata": {
            "name": "iris",
            "namespace": "default",
            "annotations": STOP if stopped else {},
        },
        "spec": {"predictor": {"containers": [container], **predictor}},
    }


class Load:
    """Eight clients without a pause; one of them asks for slow answers. ``seen`` counts the
    outcomes of requests by the phase in which they were sent."""

    def __init__(self, url: str) -> None:
        self.url, self.phase = url, "start"
        self.seen: dict[str, Counter[Any]] = {}
        self.failures: list[str] = []
        self._tasks: list[asyncio.Task[None]] = []

    def start(self) -> None:
        self._tasks = [asyncio.create_task(self._ask(SLOW_S if n == 0 else 0.0)) for n in range(8)]

    async def stop(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def enter(self, phase: str) -> None:
        self.phase = phase

    def answers(self, phase: str) -> set[Any]:
        return set(self.seen.get(phase, ()))

    async def _ask(self, wait: float) -> None:
        timeout = aiohttp.ClientTimeout(total=60)
        async with aiohttp.ClientSession(timeout=timeout) as session:
            while True:
                phase, sent = self.phase, time.monotonic()
                outcome = await self._one(session, wait)
                self.seen.setdefault(phase, Counter())[outcome] += 1
                if isinstance(outcome, str):
                    took = time.monotonic() - sent
                    self.failures.append(f"{phase}: {outcome} after {took:.2f} s, asked {wait} s")
                await asyncio.sleep(0.01)

    async def _one(self, session: aiohttp.ClientSession, wait: float) -> Any:
        try:
            async with session.post(self.url, json={"instances": [wait]}) as reply:
                text = await reply.text()
                if reply.status == 200:
                    return (await reply.json())["predictions"][0]
                return 404 if reply.status == 404 else f"{reply.status} {text[:300]}"
        except (aiohttp.ClientError, TimeoutError, ValueError, KeyError) as error:
            return repr(error)


@pytest.fixture()
def head(monkeypatch: pytest.MonkeyPatch) -> Iterator[RayHead]:
    found = str(Path(patient_model.__file__).parent)
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([found, os.environ.get("PYTHONPATH", "")]))
    with ray_head() as running:
        yield running


@pytest.fixture()
async def base(cluster: FakeCluster, head: RayHead, tmp_path: Path) -> str:
    token = tmp_path / "token"
    token.write_text(head.token)
    url = f"http://127.0.0.1:{head.serve_port}"
    await cluster.start_operator(
        *("--dashboard-url", head.dashboard, "--ray-token-file", str(token)),
        *("--serve-url", url, "--serve-port", str(head.serve_port), "--linger", "3"),
    )
    return url


async def settled(cluster: FakeCluster, traffic: dict[str, int]) -> None:
    """Until the service is ready and its traffic is divided so."""

    def holds() -> bool:
        found = {name[-5:]: percent for name, percent in cluster.traffic("iris").items()}
        return cluster.is_ready("InferenceService", "iris") and found == traffic

    await cluster.until(holds, f"traffic {traffic}", 120)
    await asyncio.sleep(3)  # the proxies know


def told(capsys: pytest.CaptureFixture[str], load: Load) -> None:
    with capsys.disabled():
        for phase, counts in load.seen.items():
            print(f"\n  {phase}: {dict(counts)}", end="")
        print()


async def test_a_service_through_its_life(
    cluster: FakeCluster, base: str, capsys: pytest.CaptureFixture[str]
) -> None:
    await cluster.apply(patient(1))
    await settled(cluster, {"00001": 100})
    load = Load(f"{base}/default/iris/v1/models/iris:predict")
    load.start()
    try:
        await _rolled(cluster, load)
        await _stopped(cluster, load)
        await _recreated(cluster, load)
        await _deleted(cluster, load)
    finally:
        await load.stop()
        told(capsys, load)
    assert load.failures == []


async def _rolled(cluster: FakeCluster, load: Load) -> None:
    load.enter("changed")
    await cluster.apply(patient(2))
    await settled(cluster, {"00002": 100})
    load.enter("canary")
    await cluster.apply(patient(3, canaryTrafficPercent=20))
    await settled(cluster, {"00003": 20, "00002": 80})
    load.enter("promoted")
    await cluster.apply(patient(3))
    await settled(cluster, {"00003": 100})
    load.enter("rolled back")
    await cluster.apply(patient(3, canaryTrafficPercent=0))
    await settled(cluster, {"00002": 100})
    load.enter("after")
    await asyncio.sleep(2)
    assert load.answers("after") == {2}
    assert load.answers("changed") <= {1, 2}
    assert load.answers("canary") <= {2, 3}


async def _stopped(cluster: FakeCluster, load: Load) -> None:
    load.enter("stopping")
    await cluster.apply(patient(3, stopped=True, canaryTrafficPercent=0))
    await cluster.until(
        lambda: cluster.condition("InferenceService", "iris").get("reason") == "Stopped", "stop", 60
    )
    await _until_gone(load)
    load.enter("resuming")
    await cluster.apply(patient(3, canaryTrafficPercent=0))
    await settled(cluster, {"00002": 100})
    load.enter("resumed")
    await asyncio.sleep(2)
    assert load.answers("stopping") <= {2, 404}
    assert load.answers("resuming") <= {2, 404}
    assert load.answers("resumed") == {2}


async def _recreated(cluster: FakeCluster, load: Load) -> None:
    load.enter("recreating")
    await cluster.delete("InferenceService", "iris")
    await cluster.until(lambda: not cluster.has("InferenceService", "iris"), "deleted", 60)
    await cluster.apply(patient(5))
    await settled(cluster, {"00001": 100})
    load.enter("recreated")
    await asyncio.sleep(2)
    assert load.answers("recreating") <= {2, 5, 404}
    assert load.answers("recreated") == {5}


async def _deleted(cluster: FakeCluster, load: Load) -> None:
    load.enter("deleting")
    await cluster.delete("InferenceService", "iris")
    await cluster.until(lambda: not cluster.has("InferenceService", "iris"), "deleted", 60)
    await _until_gone(load)
    assert load.answers("deleting") <= {5, 404}


async def _until_gone(load: Load) -> None:
    """Until clients hear nothing but 404; and for a while after."""
    end = time.monotonic() + 20
    while time.monotonic() < end:
        load.enter(f"{load.phase.partition(' /')[0]} / {time.monotonic():.1f}")
        await asyncio.sleep(1)
        if load.answers(load.phase) == {404}:
            break
    load.enter("gone")
    await asyncio.sleep(3)
    assert load.answers("gone") == {404}


async def test_a_graph_whose_member_changes(
    cluster: FakeCluster, base: str, capsys: pytest.CaptureFixture[str]
) -> None:
    await cluster.apply(patient(1))
    await cluster.apply(graph("chain", "iris"))
    ready: Callable[[], bool] = lambda: cluster.is_ready("InferenceGraph", "chain")  # noqa: E731
    await cluster.until(ready, "the graph", 120)
    await asyncio.sleep(2)
    load = Load(f"{base}/default/chain")
    load.start()
    try:
        load.enter("changed")
        await cluster.apply(patient(2))
        await settled(cluster, {"00002": 100})
        await cluster.until(ready, "the graph again", 120)
        await asyncio.sleep(4)
        load.enter("canary")
        await cluster.apply(patient(3, canaryTrafficPercent=50))
        await settled(cluster, {"00003": 50, "00002": 50})
        await cluster.until(ready, "the graph with a canary", 120)
        await asyncio.sleep(4)
        load.enter("member deleted")
        await cluster.delete("InferenceService", "iris")
        await cluster.until(lambda: not cluster.has("InferenceService", "iris"), "deleted", 60)
        await asyncio.sleep(3)
        load.enter("graph deleted")
        await cluster.delete("InferenceGraph", "chain")
        await cluster.until(lambda: not cluster.has("InferenceGraph", "chain"), "deleted", 60)
        await _until_gone(load)
    finally:
        await load.stop()
        told(capsys, load)
    assert load.failures == []
