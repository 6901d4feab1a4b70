"""Target ``kuberay``, with a stand-in for KubeRay's controller: it reports what a RayService's
Serve configuration asks for as running."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Any

import pytest
import yaml

from fake_cluster import FakeCluster, graph, resource, service

pytestmark = pytest.mark.slow

RAY_SERVICE = resource("RayService")


@pytest.fixture()
async def kuberay(cluster: FakeCluster) -> AsyncIterator[FakeCluster]:
    async def control() -> None:
        while True:
            for raw in cluster.store.objects(RAY_SERVICE):
                names = [one["name"] for one in served(raw)]
                states = {name: {"status": "RUNNING"} for name in names}
                status = {"activeServiceStatus": {"applicationStatuses": states}}
                if raw.get("status") != status:
                    await cluster.store.update(
                        RAY_SERVICE, raw, {**raw, "status": status}, status=True
                    )
            await asyncio.sleep(0.05)

    task = asyncio.create_task(control())
    yield cluster
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task


def served(raw: dict[str, Any]) -> list[dict[str, Any]]:
    config = yaml.safe_load(raw["spec"]["serveConfigV2"])
    found: list[dict[str, Any]] = config["applications"]
    return found


async def test_a_ray_service_for_each_resource(kuberay: FakeCluster) -> None:
    cluster = kuberay
    await cluster.start_operator(target="kuberay")
    await cluster.apply(service(uri="gs://bucket/one"))
    await cluster.apply(graph("chain", "iris"))
    await cluster.until(lambda: cluster.is_ready("InferenceService", "iris"), "the service")
    await cluster.until(lambda: cluster.is_ready("InferenceGraph", "chain"), "the graph")
    warnings = cluster.condition("InferenceGraph", "chain", "Warnings").get("message", "")
    assert "UMB-K129" not in warnings, "its service runs apart, and is there"
    owner = cluster.get("InferenceService", "iris")
    assert owner["metadata"].get("finalizers", []) == []
    (ray,) = [
        one
        for one in cluster.store.objects(RAY_SERVICE)
        if one["metadata"]["ownerReferences"][0]["uid"] == owner["metadata"]["uid"]
    ]
    (application,) = served(ray)
    assert application["route_prefix"] == "/"
    assert cluster.store.objects(resource("NetworkPolicy"))
    (other,) = [one for one in cluster.store.objects(RAY_SERVICE) if one != ray]
    assert "gs://bucket/one" not in other["spec"]["serveConfigV2"]  # called at its address
    await _canary(cluster, ray["spec"]["rayClusterConfig"])
    await cluster.settles(1.5)
    before = len(cluster.store.writes)
    await asyncio.sleep(2)
    assert len(cluster.store.writes) == before
    await cluster.delete("InferenceService", "iris")
    await cluster.until(lambda: len(cluster.store.objects(RAY_SERVICE)) == 1, "collected")


async def _canary(cluster: FakeCluster, ray_cluster: Any) -> None:
    await cluster.apply(service(uri="gs://bucket/two", canaryTrafficPercent=20))
    await cluster.until(lambda: len(cluster.traffic("iris")) == 2, "the canary")
    assert cluster.traffic("iris") == {"iris-predictor-00002": 20, "iris-predictor-00001": 80}
    uid = cluster.get("InferenceService", "iris")["metadata"]["uid"]
    (ray,) = [
        one
        for one in cluster.store.objects(RAY_SERVICE)
        if one["metadata"]["ownerReferences"][0]["uid"] == uid
    ]
    assert len(served(ray)) == 3
    assert [one["route_prefix"] for one in served(ray)].count("/") == 1
    assert ray["spec"]["rayClusterConfig"] == ray_cluster  # a change rolls inside the cluster
    await cluster.apply(service(uri="gs://bucket/two"))
    await cluster.until(lambda: cluster.traffic("iris") == {"iris-predictor-00002": 100})


async def test_a_stopped_service_has_no_ray_cluster(kuberay: FakeCluster) -> None:
    await kuberay.start_operator(target="kuberay")
    await kuberay.apply(service())
    await kuberay.until(lambda: kuberay.is_ready("InferenceService", "iris"))
    await kuberay.apply(service(annotations={"serving.kserve.io/stop": "true"}))
    await kuberay.until(lambda: not kuberay.store.objects(RAY_SERVICE), "nothing runs")
    await kuberay.apply(service())
    await kuberay.until(lambda: kuberay.is_ready("InferenceService", "iris"), "resumed")
