"""The operator is killed at random moments while resources are changed at random: a real API
server, a real Ray, and one service that nobody touches and that always answers."""

from __future__ import annotations

import asyncio
import contextlib
import json
import random
import urllib.request
from pathlib import Path
from typing import Any

import aiohttp
import pytest

import patient_model
from fake_cluster import graph
from kube_life import ready
from neighbours import neighbour
from ray_head import RayHead, ray_head
from real_kube import KubectlFailed, RealKube
from real_operator import RealOperator

pytestmark = [pytest.mark.ray, pytest.mark.slow]

LOAD = neighbour(Path(__file__).parents[1] / "operator" / "test_change_under_load.py")
ROUNDS = 8


def patient(name: str, namespace: str, revision: int, **predictor: Any) -> dict[str, Any]:
    raw: dict[str, Any] = LOAD.patient(revision, **predictor)
    raw["metadata"] |= {"name": name, "namespace": namespace}
    return raw


def applications(head: RayHead) -> set[str]:
    """What Serve has, without the digests."""
    asked = urllib.request.Request(
        f"{head.dashboard}/api/serve/applications/",
        headers={"Authorization": f"Bearer {head.token}"},
    )
    with urllib.request.urlopen(asked, timeout=30) as reply:
        return {name.rpartition(".")[0] for name in json.load(reply)["applications"]}


async def answer(url: str) -> Any:
    async with (
        aiohttp.ClientSession() as session,
        session.post(url, json={"instances": [0]}) as reply,
    ):
        return (await reply.json())["predictions"][0] if reply.status == 200 else reply.status


async def test_killed_while_everything_changes(
    kube: RealKube,
    namespace: str,
    operator: RealOperator,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("PYTHONPATH", str(Path(patient_model.__file__).parent))
    token = tmp_path / "token"
    with ray_head(24) as head:
        token.write_text(head.token)
        base = f"http://127.0.0.1:{head.serve_port}"
        words = (
            *("--target", "ray", "--dashboard-url", head.dashboard, "--serve-url", base),
            *("--ray-token-file", str(token), "--serve-port", str(head.serve_port)),
        )
        operator.start(*words)
        await _apply(kube, patient("still", namespace, 7))
        await asyncio.to_thread(lambda: ready(kube, namespace, "isvc/still", seconds=120))
        await asyncio.sleep(2)
        load = LOAD.Load(f"{base}/{namespace}/still/v1/models/still:predict")
        load.start()
        try:
            await _chaos(kube, namespace, operator, words)
            await _end(kube, namespace, head, base)
        finally:
            await load.stop()
            LOAD.told(capsys, load)
        assert load.failures == []
        assert load.answers("start") == {7}
        assert operator.refused() == []


async def _apply(kube: RealKube, raw: dict[str, Any]) -> None:
    await asyncio.to_thread(lambda: kube.kubectl("apply", "-f", "-", stdin=raw))


async def _delete(kube: RealKube, namespace: str, name: str) -> None:
    def delete() -> None:
        with contextlib.suppress(KubectlFailed):
            kube.kubectl("delete", name, "-n", namespace, "--wait=false")

    await asyncio.to_thread(delete)


async def _chaos(
    kube: RealKube, namespace: str, operator: RealOperator, words: tuple[str, ...]
) -> None:
    chance = random.Random(4)
    for number in range(ROUNDS):
        for _ in range(chance.randrange(1, 3)):
            name = chance.choice("ab")
            kind = chance.choice(["apply", "apply", "canary", "delete", "graph"])
            if kind == "delete":
                await _delete(kube, namespace, f"isvc/{name}")
            elif kind == "graph":
                await _apply(kube, graph("g", name, "still", namespace=namespace))
            else:
                canary = {"canaryTrafficPercent": 30} if kind == "canary" else {}
                await _apply(kube, patient(name, namespace, number, **canary))
        await asyncio.sleep(chance.uniform(0.5, 8.0))
        operator.end(operator.processes[0], kill=True)
        operator.start(*words)


async def _end(kube: RealKube, namespace: str, head: RayHead, base: str) -> None:
    await _delete(kube, namespace, "isvc/b")
    await _apply(kube, patient("a", namespace, 42))
    await _apply(kube, graph("g", "a", "still", namespace=namespace))
    await asyncio.to_thread(lambda: ready(kube, namespace, "isvc/a", "ig/g", seconds=180))
    expected = {f"{namespace}.{name}" for name in ("a", "g", "still")}
    for _ in range(120):
        if await asyncio.to_thread(applications, head) == expected:
            break
        await asyncio.sleep(0.5)
    assert await asyncio.to_thread(applications, head) == expected
    names = [one["metadata"]["name"] for one in kube.get("isvc", "-n", namespace)["items"]]
    assert sorted(names) == ["a", "still"]
    await asyncio.sleep(2)
    assert await answer(f"{base}/{namespace}/a/v1/models/a:predict") == 42
    assert await answer(f"{base}/{namespace}/b/v1/models/b:predict") == 404
    revisions = kube.get("controllerrevisions", "-n", namespace)["items"]
    numbers = [(one["metadata"]["ownerReferences"][0]["uid"], one["revision"]) for one in revisions]
    assert len(set(numbers)) == len(numbers)
