"""Resources applied, served by a real Ray, changed under load: no request fails."""

from __future__ import annotations

import asyncio
import json
import time
from collections import Counter
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from fake_cluster import FakeCluster, graph, resource, service
from ray_head import RayHead
from rival_irises import NEW, OLD, ROW, models

pytestmark = [pytest.mark.ray, pytest.mark.slow]


class Clients:
    """Four clients that ask without a pause, half of them with V1, half with V2."""

    def __init__(self, base: str) -> None:
        self.base, self.answers = base, Counter[Any]()
        self.failures: list[Any] = []
        self._tasks: list[asyncio.Task[None]] = []
        self._wanted, self._enough = 0, asyncio.Event()

    def start(self) -> None:
        self._tasks = [asyncio.create_task(self._ask(number % 2 == 0)) for number in range(4)]

    async def stop(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def count(self, number: int) -> Counter[Any]:
        """The answers of the next ``number`` requests."""
        self.answers.clear()
        self._wanted, self._enough = number, asyncio.Event()
        await self._enough.wait()
        return Counter(self.answers)

    async def _ask(self, v1: bool) -> None:
        timeout = aiohttp.ClientTimeout(total=30)
        async with aiohttp.ClientSession(timeout=timeout) as session:
            while True:
                try:
                    self.answers[await self._one(session, v1)] += 1
                    if sum(self.answers.values()) >= self._wanted:
                        self._enough.set()
                except (aiohttp.ClientError, TimeoutError, ValueError, KeyError) as error:
                    self.failures.append(repr(error))
                await asyncio.sleep(0.005)

    async def _one(self, session: aiohttp.ClientSession, v1: bool) -> Any:
        url, body = f"{self.base}/v1/models/iris:predict", {"instances": [ROW]}
        if not v1:
            tensor = {"name": "x", "shape": [1, 4], "datatype": "FP64", "data": ROW}
            url, body = f"{self.base}/v2/models/iris/infer", {"inputs": [tensor]}
        async with session.post(url, json=body) as reply:
            text = await reply.text()
            if reply.status != 200:
                raise ValueError(f"{reply.status} {text}")
            answer = json.loads(text)
            return answer["predictions"][0] if v1 else answer["outputs"][0]["data"][0]


async def test_a_service_under_load(cluster: FakeCluster, head: RayHead, tmp_path: Path) -> None:
    old, new = models(tmp_path)
    base = f"http://127.0.0.1:{head.serve_port}"
    token = tmp_path / "token"
    token.write_text(head.token)
    await cluster.start_operator(
        *("--dashboard-url", head.dashboard, "--ray-token-file", str(token)),
        *("--serve-url", base, "--serve-port", str(head.serve_port), "--linger", "3"),
    )
    await cluster.apply(service(uri=old))
    await _ready(cluster)
    url = cluster.get("InferenceService", "iris")["status"]["url"]
    assert url == f"{base}/default/iris"
    clients = Clients(url)
    clients.start()
    assert set(await clients.count(100)) == {OLD}

    await cluster.apply(service(uri=new, canaryTrafficPercent=20))
    await _ready(cluster)
    assert cluster.traffic("iris") == {"iris-predictor-00002": 20, "iris-predictor-00001": 80}
    await asyncio.sleep(1)  # the proxies know
    answers = await clients.count(2000)
    share = answers[NEW] / sum(answers.values())
    print(f"the canary got {share:.1%} of {sum(answers.values())} requests")
    assert 0.17 <= share <= 0.23

    await cluster.apply(service(uri=new))
    await _ready(cluster)
    await asyncio.sleep(5)
    assert set(await clients.count(200)) == {NEW}

    await cluster.apply(service(uri=new, canaryTrafficPercent=0))
    await _ready(cluster)
    assert cluster.traffic("iris") == {"iris-predictor-00001": 100}
    await asyncio.sleep(5)
    assert set(await clients.count(200)) == {OLD}

    await _graph(cluster, base)
    await clients.stop()
    assert clients.failures == []
    await cluster.delete("InferenceGraph", "chain")
    await cluster.delete("InferenceService", "iris")
    await cluster.until(lambda: not cluster.store.objects(resource("InferenceService")), "gone", 60)
    await cluster.until(lambda: not cluster.store.objects(resource("InferenceGraph")), "gone", 60)
    assert await _status_within(5.0, url, 404)


async def _status_within(seconds: float, url: str, wanted: int) -> bool:
    """A proxy hears of a deletion within a second."""
    end = time.monotonic() + seconds
    async with aiohttp.ClientSession() as session:
        while time.monotonic() < end:
            async with session.get(url) as reply:
                if reply.status == wanted:
                    return True
            await asyncio.sleep(0.1)
    return False


async def _ready(cluster: FakeCluster) -> None:
    start = time.monotonic()
    try:
        await cluster.until(lambda: cluster.is_ready("InferenceService", "iris"), "ready", 120)
    except pytest.fail.Exception:
        print(json.dumps(cluster.get("InferenceService", "iris").get("status"), indent=1))
        raise
    print(f"ready after {time.monotonic() - start:.1f} s")


async def _graph(cluster: FakeCluster, base: str) -> None:
    await cluster.apply(graph("chain", "iris"))
    await cluster.until(lambda: cluster.is_ready("InferenceGraph", "chain"), "the graph", 120)
    body = {"instances": [ROW]}
    url = f"{base}/default/chain"
    async with aiohttp.ClientSession() as session, session.post(url, json=body) as reply:
        assert (reply.status, await reply.json()) == (200, {"predictions": [OLD]})
