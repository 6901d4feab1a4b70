"""Resources applied, served by a real Ray, called over gRPC while they change: no call fails,
a canary gets its share, and namespaces are told apart."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fake_cluster import FakeCluster, service
from free_ports import free_port
from ray_head import RayHead
from rival_irises import NEW, OLD, ROW, models

triton = pytest.importorskip("tritonclient.grpc.aio")
pytestmark = [pytest.mark.ray, pytest.mark.slow]


def row() -> Any:
    given = triton.InferInput("x", [1, 4], "FP64")
    given.set_data_from_numpy(np.array([ROW]))
    return given


async def say(client: Any, model: str = "iris", **metadata: str) -> int:
    headers = {key.replace("_", "-"): value for key, value in metadata.items()}
    result = await client.infer(model, [row()], headers=headers, client_timeout=30)
    return int(result.as_numpy("output-0")[0])


class Calls:
    """Three clients that call without a pause, and one that asks in a stream."""

    def __init__(self, address: str) -> None:
        self.address, self.answers = address, Counter[Any]()
        self.failures: list[Any] = []
        self._tasks: list[asyncio.Task[None]] = []
        self._wanted, self._enough = 0, asyncio.Event()

    def start(self) -> None:
        self._tasks = [asyncio.create_task(self._unary()) for _ in range(3)]
        self._tasks.append(asyncio.create_task(self._stream()))

    async def stop(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def count(self, number: int) -> Counter[Any]:
        """The answers of the next ``number`` calls."""
        self.answers.clear()
        self._wanted, self._enough = number, asyncio.Event()
        await self._enough.wait()
        return Counter(self.answers)

    def _note(self, answer: int) -> None:
        self.answers[answer] += 1
        if self.answers.total() >= self._wanted:
            self._enough.set()

    async def _unary(self) -> None:
        async with triton.InferenceServerClient(self.address) as client:
            while True:
                try:
                    self._note(await say(client))
                except triton.InferenceServerException as error:
                    self.failures.append(str(error))
                await asyncio.sleep(0.005)

    async def _stream(self) -> None:
        async def requests() -> Any:
            while True:
                yield {"model_name": "iris", "inputs": [row()]}
                await asyncio.sleep(0.01)

        async with triton.InferenceServerClient(self.address) as client:
            async for result, error in client.stream_infer(requests()):
                if error is None:
                    self._note(int(result.as_numpy("output-0")[0]))
                else:
                    self.failures.append(str(error))


async def test_a_service_under_load(cluster: FakeCluster, head: RayHead, tmp_path: Path) -> None:
    old, new = models(tmp_path)
    port = free_port()
    token = tmp_path / "token"
    token.write_text(head.token)
    await cluster.start_operator(
        *("--dashboard-url", head.dashboard, "--ray-token-file", str(token)),
        *("--serve-url", f"http://127.0.0.1:{head.serve_port}", "--linger", "3"),
        *("--serve-port", str(head.serve_port), "--grpc-port", str(port)),
    )
    await cluster.apply(service(uri=old))
    await ready(cluster)
    predictor = cluster.get("InferenceService", "iris")["status"]["components"]["predictor"]
    address = f"127.0.0.1:{port}"
    assert predictor["grpcUrl"] == f"grpc://{address}"
    calls = Calls(address)
    async with triton.InferenceServerClient(address) as client:
        await until_ready(client)
        calls.start()
        assert set(await calls.count(100)) == {OLD}
        await _canary(cluster, calls, client, old, new)
        await calls.stop()
        assert calls.failures == []
        await _two_namespaces(cluster, client, old, new)


async def _canary(cluster: FakeCluster, calls: Calls, client: Any, old: str, new: str) -> None:
    tagged = {"serving.kserve.io/enable-tag-routing": "true"}
    await cluster.apply(service(uri=new, annotations=tagged, canaryTrafficPercent=20))
    await ready(cluster)
    assert cluster.traffic("iris") == {"iris-predictor-00002": 20, "iris-predictor-00001": 80}
    await asyncio.sleep(2)  # the front knows
    answers = await calls.count(2000)
    share = answers[NEW] / sum(answers.values())
    print(f"the canary got {share:.1%} of {sum(answers.values())} calls")
    assert 0.17 <= share <= 0.23
    for name, said in (("prev-iris", OLD), ("latest-iris", NEW)):
        assert {await say(client, name) for _ in range(20)} == {said}
        assert await say(client, kserve_isvc_name=name) == said
    index = await client.get_model_repository_index()
    assert [one.name for one in index.models] == ["iris"]

    await cluster.apply(service(uri=new))
    await ready(cluster)
    await asyncio.sleep(5)
    assert set(await calls.count(200)) == {NEW}

    await cluster.apply(service(uri=new, canaryTrafficPercent=0))
    await ready(cluster)
    assert cluster.traffic("iris") == {"iris-predictor-00001": 100}
    await asyncio.sleep(5)
    assert set(await calls.count(200)) == {OLD}


async def _two_namespaces(cluster: FakeCluster, client: Any, old: str, new: str) -> None:
    await cluster.apply(service(uri=new, namespace="other"))
    await ready(cluster, "other")
    await asyncio.sleep(2)
    with pytest.raises(triton.InferenceServerException) as raised:
        await say(client)
    assert raised.value.status() == "StatusCode.INVALID_ARGUMENT"
    assert "default/iris, other/iris" in raised.value.message()
    for space, said in (("default", OLD), ("other", NEW)):
        assert await say(client, kserve_isvc_namespace=space) == said
        assert await say(client, f"{space}/iris") == said
    with pytest.raises(triton.InferenceServerException, match="NOT_FOUND"):
        await say(client, kserve_isvc_namespace="nowhere")


async def until_ready(client: Any) -> None:
    """The front is an application beside the service's: it may start after it."""
    for _ in range(300):
        try:
            if await client.is_model_ready("iris"):
                return
        except triton.InferenceServerException:
            pass
        await asyncio.sleep(0.2)
    pytest.fail("no gRPC")


async def ready(cluster: FakeCluster, namespace: str = "default") -> None:
    def is_ready() -> bool:
        found = cluster.get("InferenceService", "iris", namespace)
        conditions = found.get("status", {}).get("conditions", [])
        seen = found.get("status", {}).get("observedGeneration")
        whole = [c["status"] for c in conditions if c["type"] == "Ready"]
        return whole == ["True"] and seen == found["metadata"]["generation"]

    try:
        await cluster.until(is_ready, "ready", 300)
    except pytest.fail.Exception:
        print(
            json.dumps(cluster.get("InferenceService", "iris", namespace).get("status"), indent=1)
        )
        raise
