"""kubectl, a real API server, the operator, a real Ray: a service's life under load. Four clients
ask without a pause, and none of their requests fails."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from fake_cluster import graph, service
from kube_life import ready
from neighbours import neighbour
from ray_head import ray_head
from real_kube import RealKube
from real_operator import RealOperator

pytestmark = [pytest.mark.ray, pytest.mark.slow]

LOAD = neighbour(Path(__file__).parents[1] / "operator" / "test_ray_target.py")
SERVICE = ("isvc", "iris")


async def in_thread(function: Any, *words: Any) -> Any:
    return await asyncio.to_thread(function, *words)


async def apply(kube: RealKube, raw: Any) -> None:
    await asyncio.to_thread(lambda: kube.kubectl("apply", "-f", "-", stdin=raw))


async def traffic_is(kube: RealKube, namespace: str, wanted: dict[str, int]) -> None:
    end = time.monotonic() + 180
    while True:
        raw = await in_thread(kube.get, *SERVICE, "-n", namespace)
        status = raw.get("status") or {}
        current = status.get("observedGeneration") == raw["metadata"]["generation"]
        entries = status.get("components", {}).get("predictor", {}).get("traffic", [])
        found = {one["revisionName"][-5:]: one["percent"] for one in entries}
        if current and found == wanted:
            return
        assert time.monotonic() < end, status
        await asyncio.sleep(0.3)


async def became_ready(kube: RealKube, namespace: str, *names: str) -> None:
    await asyncio.to_thread(lambda: ready(kube, namespace, *names, seconds=180))


async def test_a_service_under_load(
    kube: RealKube, namespace: str, operator: RealOperator, tmp_path: Path
) -> None:
    old, new = LOAD.models(tmp_path)
    with ray_head() as head:
        base = f"http://127.0.0.1:{head.serve_port}"
        token = tmp_path / "token"
        token.write_text(head.token)
        operator.start(
            *("--target", "ray", "--dashboard-url", head.dashboard, "--linger", "3"),
            *("--ray-token-file", str(token), "--serve-url", base),
            *("--serve-port", str(head.serve_port), "--leader-elect"),
        )
        await apply(kube, service("iris", old, namespace))
        await became_ready(kube, namespace, "isvc/iris")
        url = (await in_thread(kube.get, *SERVICE, "-n", namespace))["status"]["url"]
        assert url == f"{base}/{namespace}/iris"
        clients = LOAD.Clients(url)
        clients.start()
        assert set(await clients.count(100)) == {LOAD.OLD}
        await _canary(kube, namespace, new, clients)
        await _promoted_and_rolled_back(kube, namespace, new, clients)
        await _graph(kube, namespace, base)
        await clients.stop()
        assert clients.failures == []
        await _deleted(kube, namespace, url)
        assert operator.refused() == []


async def _canary(kube: RealKube, namespace: str, new: str, clients: Any) -> None:
    await apply(kube, service("iris", new, namespace, canaryTrafficPercent=20))
    await traffic_is(kube, namespace, {"00002": 20, "00001": 80})
    await became_ready(kube, namespace, "isvc/iris")
    await asyncio.sleep(1)  # the proxies know
    answers = await clients.count(2000)
    share = answers[LOAD.NEW] / sum(answers.values())
    print(f"the canary got {share:.1%} of {sum(answers.values())} requests")
    assert 0.17 <= share <= 0.23


async def _promoted_and_rolled_back(kube: RealKube, namespace: str, new: str, clients: Any) -> None:
    await apply(kube, service("iris", new, namespace))
    await traffic_is(kube, namespace, {"00002": 100})
    await asyncio.sleep(5)
    assert set(await clients.count(200)) == {LOAD.NEW}
    await apply(kube, service("iris", new, namespace, canaryTrafficPercent=0))
    await traffic_is(kube, namespace, {"00001": 100})
    await asyncio.sleep(5)
    assert set(await clients.count(200)) == {LOAD.OLD}


async def _graph(kube: RealKube, namespace: str, base: str) -> None:
    await apply(kube, graph("chain", "iris", namespace=namespace))
    await became_ready(kube, namespace, "ig/chain")
    body, url = {"instances": [LOAD.ROW]}, f"{base}/{namespace}/chain"
    async with aiohttp.ClientSession() as session, session.post(url, json=body) as reply:
        assert (reply.status, await reply.json()) == (200, {"predictions": [LOAD.OLD]})


async def _deleted(kube: RealKube, namespace: str, url: str) -> None:
    """kubectl waits for the finalizer, which waits for the applications."""
    raw = await in_thread(kube.get, *SERVICE, "-n", namespace)
    assert raw["metadata"]["finalizers"] == ["umbel.dev/operator"]
    words = ("delete", "ig/chain", "isvc/iris", "-n", namespace, "--timeout=90s")
    await asyncio.to_thread(lambda: kube.kubectl(*words, timeout=100))
    waited: Awaitable[bool] = LOAD._status_within(10.0, url, 404)
    assert await waited
