"""Whatever happens on the way, the end is what the resources describe."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import time
from pathlib import Path
from typing import Any

import pytest

from fake_cluster import FakeCluster, fake_cluster, graph, resource, service

pytestmark = pytest.mark.slow


async def _lived(cluster: FakeCluster) -> None:
    """A service that gets a canary, is promoted and changed again, a graph over it, and one of
    each that is deleted."""
    await cluster.apply(service("iris", uri="gs://bucket/one"))
    await cluster.apply(service("short", uri="gs://bucket/x"))
    await cluster.apply(graph("chain", "iris"))
    ready = cluster.is_ready
    await cluster.until(lambda: ready("InferenceGraph", "chain"), "the graph", 60)
    await cluster.until(lambda: ready("InferenceService", "short"), "the other", 60)
    await cluster.apply(service("iris", uri="gs://bucket/two", canaryTrafficPercent=20))
    await cluster.until(lambda: ready("InferenceService", "iris"), "the canary", 60)
    await cluster.delete("InferenceService", "short")
    await cluster.apply(service("iris", uri="gs://bucket/two"))
    await cluster.until(lambda: ready("InferenceService", "iris"), "the promotion", 60)
    await cluster.until(lambda: not cluster.has("InferenceService", "short"), "deletion", 60)
    await cluster.until(lambda: ready("InferenceGraph", "chain"), "the graph again", 60)
    await cluster.until(lambda: len(cluster.serve.applications) == 2, "nothing is left over", 60)


def _end(cluster: FakeCluster) -> dict[str, Any]:
    """What is there in the end, without times and versions."""

    def bare(found: Any) -> Any:
        if isinstance(found, dict):
            volatile = ("lastTransitionTime", "uid", "resourceVersion", "creationTimestamp")
            return {key: bare(value) for key, value in found.items() if key not in volatile}
        return [bare(one) for one in found] if isinstance(found, list) else found

    kinds = ("InferenceService", "InferenceGraph", "ControllerRevision")
    return {
        "applications": bare(cluster.serve.applications),
        **{kind: bare(cluster.store.objects(resource(kind))) for kind in kinds},
    }


async def test_killed_after_every_single_write(tmp_path: Path) -> None:
    """Each life of the operator ends with its first write, before it hears of the success."""
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    async with fake_cluster(tmp_path / "a") as calm:
        await calm.start_operator()
        await _lived(calm)
        await calm.settles()
        expected = _end(calm)
    async with fake_cluster(tmp_path / "b") as cluster:
        lives = 0

        async def kill(_count: int) -> None:
            process = cluster.process
            if process is not None and process.returncode is None:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(process.pid, signal.SIGKILL)
                await process.wait()

        async def live_again() -> None:
            nonlocal lives
            while True:
                await cluster.start_operator()
                lives += 1
                assert cluster.process is not None
                await cluster.process.wait()

        cluster.api.after_write = cluster.serve.after_write = kill
        again = asyncio.create_task(live_again())
        try:
            await _lived_slowly(cluster)
        finally:
            again.cancel()
            await asyncio.gather(again, return_exceptions=True)
        cluster.api.after_write = cluster.serve.after_write = None
        if cluster.process is not None and cluster.process.returncode is not None:
            await cluster.start_operator()
        await cluster.settles(2)
        assert _end(cluster) == expected
        print(f"{lives} lives, {len(cluster.store.writes) + len(cluster.serve.puts)} writes")
        assert lives > 15


async def _lived_slowly(cluster: FakeCluster) -> None:
    original = cluster.until

    async def patient(holds: Any, what: str = "", timeout: float = 20) -> None:
        await original(holds, what, timeout * 4)

    cluster.until = patient  # type: ignore[method-assign]
    await _lived(cluster)
    cluster.until = original  # type: ignore[method-assign]


async def test_conflicts_closed_and_expired_watches(cluster: FakeCluster) -> None:
    await cluster.start_operator("--resync", "60")
    cluster.api.conflicts = 3
    await cluster.apply(service("one"))
    await cluster.until(lambda: cluster.is_ready("InferenceService", "one"), "after conflicts")
    await cluster.settles()
    cluster.api.close_watches()
    await cluster.apply(service("two"))
    await cluster.until(lambda: cluster.is_ready("InferenceService", "two"), "after a close")
    await cluster.settles()
    cluster.store.forget_history()
    cluster.api.close_watches()
    await cluster.apply(service("three"))
    cluster.store.forget_history()
    await cluster.until(lambda: cluster.is_ready("InferenceService", "three"), "after 410")
    assert cluster.process is not None
    assert cluster.process.returncode is None


async def test_the_api_server_and_ray_go_away(cluster: FakeCluster) -> None:
    await cluster.start_operator("--resync", "60")
    await cluster.apply(service("one"))
    await cluster.until(lambda: cluster.is_ready("InferenceService", "one"))
    await cluster.settles()
    await cluster.api.stop()
    await cluster.apply(service("two"))
    await asyncio.sleep(2)
    await cluster.api.start()
    await cluster.until(lambda: cluster.is_ready("InferenceService", "two"), "API server is back")
    await cluster.serve.stop()
    await cluster.apply(service("three"))
    await cluster.until(
        lambda: cluster.condition("InferenceService", "three").get("reason") == "ServeUnreachable"
    )
    await cluster.until(
        lambda: cluster.condition("InferenceService", "one").get("reason") == "ServeUnreachable"
    )
    status = cluster.get("InferenceService", "one")["status"]
    assert status["url"] == status["address"]["url"] == status["components"]["predictor"]["url"]
    await cluster.serve.start()
    await cluster.until(lambda: cluster.is_ready("InferenceService", "three"), "Ray is back")
    cluster.serve.applications.clear()  # a new Ray cluster: it knows nothing
    await cluster.apply(service("four"))
    await cluster.until(lambda: len(cluster.serve.applications) == 4, "all is deployed again")
    assert cluster.process is not None
    assert cluster.process.returncode is None


async def test_two_operators_and_one_lease(tmp_path: Path) -> None:
    async with fake_cluster(tmp_path) as cluster:
        await cluster.start_operator("--leader-elect", "--verbose")
        first = cluster.process
        assert first is not None
        await cluster.apply(service("one"))
        await cluster.until(lambda: cluster.is_ready("InferenceService", "one"))
        await cluster.start_operator("--leader-elect")
        await asyncio.sleep(2)
        (lease,) = cluster.store.objects(resource("Lease"))
        assert lease["spec"]["holderIdentity"].endswith(f"_{first.pid}")
        first.terminate()
        assert await first.wait() == 0
        await cluster.apply(service("two"))
        await cluster.until(lambda: cluster.is_ready("InferenceService", "two"), "the other leads")
        (lease,) = cluster.store.objects(resource("Lease"))
        assert cluster.process is not None
        assert lease["spec"]["holderIdentity"].endswith(f"_{cluster.process.pid}")


async def test_two_hundred_resources_from_a_cold_start(cluster: FakeCluster) -> None:
    for number in range(160):
        await cluster.apply(service(f"iris-{number}", uri=f"gs://bucket/{number}"))
    for number in range(40):
        await cluster.apply(graph(f"chain-{number}", f"iris-{number}", f"iris-{number + 40}"))
    start = time.monotonic()
    await cluster.start_operator()

    def all_ready() -> bool:
        services = all(cluster.is_ready("InferenceService", f"iris-{n}") for n in range(160))
        return services and all(cluster.is_ready("InferenceGraph", f"chain-{n}") for n in range(40))

    await cluster.until(all_ready, "all of them", 120)
    seconds = time.monotonic() - start
    await cluster.settles(2)
    writes, puts = len(cluster.store.writes), len(cluster.serve.puts)
    print(f"200 resources ready after {seconds:.1f} s, {writes} writes and {puts} PUTs")
    cluster.api.close_watches()
    await asyncio.sleep(3)
    assert (len(cluster.store.writes), len(cluster.serve.puts)) == (writes, puts)
    assert puts < 15  # one configuration for all of them, not one each
