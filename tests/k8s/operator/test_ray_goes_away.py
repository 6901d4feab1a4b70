"""Ray's head is gone, with all that ran on it, and another one comes: the status says so, nothing
is written over and over, and everything is brought back."""

from __future__ import annotations

import asyncio
import contextlib
import time
from pathlib import Path

import aiohttp
import pytest

import patient_model
from fake_cluster import FakeCluster, graph
from neighbours import neighbour
from ray_head import ray_head

pytestmark = [pytest.mark.ray, pytest.mark.slow]

LOAD = neighbour(Path(__file__).with_name("test_change_under_load.py"))


async def _answer(url: str) -> int:
    with contextlib.suppress(aiohttp.ClientError, OSError):
        async with (
            aiohttp.ClientSession() as session,
            session.post(url, json={"instances": [0]}) as reply,
        ):
            return reply.status
    return 0


async def test_another_head_in_its_place(
    cluster: FakeCluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTHONPATH", str(Path(patient_model.__file__).parent))
    token = tmp_path / "token"
    with ray_head() as first:
        token.write_text(first.token)
        base = f"http://127.0.0.1:{first.serve_port}"
        await cluster.start_operator(
            *("--dashboard-url", first.dashboard, "--ray-token-file", str(token)),
            *("--serve-url", base, "--serve-port", str(first.serve_port), "--poll", "0.5"),
        )
        await cluster.apply(LOAD.patient(1))
        await cluster.apply(graph("chain", "iris"))
        ready = cluster.is_ready
        await cluster.until(lambda: ready("InferenceGraph", "chain"), "the graph", 120)
    gone = time.monotonic()

    def unreachable(kind: str, name: str) -> bool:
        found = cluster.condition(kind, name)
        return (found.get("status"), found.get("reason")) == ("Unknown", "ServeUnreachable")

    await cluster.until(lambda: unreachable("InferenceService", "iris"), "it says so", 90)
    await cluster.until(lambda: unreachable("InferenceGraph", "chain"), "the graph, too", 30)
    print(f"told {time.monotonic() - gone:.0f} s after the head went")
    await asyncio.sleep(2)
    before = len(cluster.store.writes)
    await asyncio.sleep(30)
    assert len(cluster.store.writes) == before  # one status, not one a pass
    assert cluster.get("InferenceService", "iris")["metadata"]["finalizers"]
    with ray_head(after=first):
        await cluster.until(lambda: ready("InferenceGraph", "chain"), "all is back", 180)
        assert ready("InferenceService", "iris")
        await asyncio.sleep(2)
        assert await _answer(f"{base}/default/iris/v1/models/iris:predict") == 200
        assert await _answer(f"{base}/default/chain") == 200
        revisions = cluster.traffic("iris")
        assert revisions == {"iris-predictor-00001": 100}
        await cluster.delete("InferenceGraph", "chain")
        await cluster.delete("InferenceService", "iris")
        await cluster.until(lambda: not cluster.has("InferenceService", "iris"), "gone", 60)
    assert cluster.process is not None
    assert cluster.process.returncode is None
