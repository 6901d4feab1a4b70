"""Two hundred small models on two replicas: Zipf's load, memory, and one repository for all."""

from __future__ import annotations

import asyncio
import collections
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest

from loopback_server import Client

pytest.importorskip("ray.serve")
pytest.importorskip("skops")
from sklearn.datasets import load_digits
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from skops.io import dump

from free_ports import free_port_pair

pytestmark = [pytest.mark.ray, pytest.mark.slow]

MODELS = 200
REQUESTS = 4000
CLIENTS = 8
BUDGET = 2_000_000
"""Bytes of each replica: room for about a third of its models."""

GRAPH = f"""
from umbel import Scale, model_pool

tenants = model_pool("sklearn", name="tenants", models="models", memory={BUDGET}, scale=Scale(2))
"""


class Trained:
    """The models on disk, and what each answers to a few rows."""

    def __init__(self, home: Path) -> None:
        self.file = home / "pool.py"
        self.file.write_text(GRAPH)
        (home / "models").mkdir()
        rows, labels = load_digits(return_X_y=True)
        self.rows = rows[:4]
        self.answers: dict[str, list[int]] = {}
        draw = np.random.default_rng(7)
        for number in range(MODELS):
            pick = draw.choice(len(rows), 300, replace=False)
            model = make_pipeline(StandardScaler(), LogisticRegression(max_iter=15, tol=0.1))
            model.fit(rows[pick], labels[pick])
            name = f"tenant-{number:03}"
            dump(model, home / "models" / f"{name}.skops")
            self.answers[name] = model.predict(self.rows).tolist()


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Trained:
    return Trained(tmp_path_factory.mktemp("pool"))


class Run:
    """``umbel run`` on Ray, over HTTP and gRPC."""

    def __init__(self, file: Path, *words: str) -> None:
        self.port = free_port_pair()
        self.process = subprocess.Popen(
            [sys.executable, "-m", "umbel", "run", str(file), "--port", str(self.port), *words],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env={**os.environ, "RAY_USAGE_STATS_ENABLED": "0"},
        )
        assert self.process.stdout is not None
        lines = [self.process.stdout.readline().strip() for _ in range(2)]
        if not all(line.startswith("ready ") for line in lines):
            raise AssertionError((lines, self.process.communicate()))
        self.client = Client(self.port)

    def stop(self) -> None:
        self.process.send_signal(signal.SIGTERM)
        self.process.communicate(timeout=60)


@pytest.fixture(scope="module")
def run(trained: Trained) -> Iterator[Run]:
    started = Run(trained.file, "--replicas", "2")
    yield started
    started.stop()
    assert started.process.returncode == 0


def replicas(run: Run) -> list[dict[str, Any]]:
    answer = run.client.get("/tenants")
    assert answer.status == 200, answer.body
    found: list[dict[str, Any]] = answer.json["replicas"]
    return found


def pool_metrics(run: Run) -> dict[str, list[float]]:
    """The pool's figures of all replicas, as Prometheus reads them from any graph replica."""
    found = collections.defaultdict[str, list[float]](list)
    for line in run.client.get("/tenants/metrics").body.decode().splitlines():
        if line.startswith("umbel_pool_"):
            found[line.split("{")[0]].append(float(line.rsplit(" ", 1)[1]))
    return found


def memory() -> list[int]:
    """The resident bytes of the pool's replicas."""
    return [int(one.memory_info().rss) for one in processes("ServeReplica:tenants:tenants--models")]


def processes(title: str) -> list[psutil.Process]:
    """Those of a deployment, which Ray names after it."""
    every = psutil.process_iter(["cmdline"])
    return [one for one in every if title in " ".join(one.info["cmdline"] or [])]


def test_zipf(trained: Trained, run: Run, say_at_the_end: Callable[[str], None]) -> None:
    names = sorted(trained.answers)
    draw = np.random.default_rng(11)
    weights = 1 / np.arange(1, MODELS + 1) ** 1.1
    order = draw.permutation(names)
    asked = draw.choice(order, REQUESTS, p=weights / weights.sum())
    body = json.dumps({"instances": trained.rows.tolist()}).encode()
    wrong: collections.Counter[str] = collections.Counter()

    def ask(name: str) -> None:
        answer = run.client.post(f"/tenants/v1/models/{name}:predict", body)
        if answer.status != 200:
            wrong[f"{answer.status} {answer.body.decode()[:200]}"] += 1
        elif answer.json != {"predictions": trained.answers[name]}:
            wrong[f"{name}: {answer.json}"] += 1

    start, highest, resident = time.perf_counter(), [0], list[int]()
    with ThreadPoolExecutor(CLIENTS) as pool:
        pending = [pool.submit(ask, str(name)) for name in asked]
        while not all(one.done() for one in pending):
            for report in replicas(run):
                # The sizes of models that are opened for the first time are estimates.
                assert report["bytes"] <= 1.2 * report["budget"], report
                highest[0] = max(highest[0], report["bytes"])
            resident.append(max(memory()))
            time.sleep(0.2)
    seconds = time.perf_counter() - start
    assert not wrong
    reports = replicas(run)
    assert len(reports) == 2
    calls = sum(one["hits"] + one["misses"] for one in reports)
    assert calls == REQUESTS
    assert sum(one["evictions"] for one in reports) > 0
    middle = resident[len(resident) // 2]
    share = sum(one["hits"] for one in reports) / calls
    say_at_the_end(
        f"{MODELS} models on 2 replicas of {BUDGET:,} bytes each, Zipf 1.1, {REQUESTS} requests "
        f"by {CLIENTS} clients: no error, hit rate {share:.1%}, "
        f"{sum(one['loads'] for one in reports)} loads, "
        f"{sum(one['evictions'] for one in reports)} evictions, at most {highest[0]:,} bytes of "
        f"models in one replica ({(resident[-1] - middle) / 1e6:+.0f} MB resident in the "
        f"second half), {len(set(asked))} models asked for, "
        f"{len(reports[0]['models'])} and {len(reports[1]['models'])} in memory at the end, "
        f"{REQUESTS / seconds:.0f} requests/s"
    )
    told = pool_metrics(run)
    assert len(told["umbel_pool_bytes"]) == 2, "one line for each replica"
    assert sum(told["umbel_pool_requests_total"]) == REQUESTS
    for name in ("loads", "evictions"):
        assert sum(told[f"umbel_pool_{name}_total"]) == sum(one[name] for one in reports)
    assert sum(told["umbel_pool_load_seconds_total"]) > 0
    assert share > 0.6
    assert resident[-1] < middle + 20e6, "memory grows with the models that were asked for"
    assert not set(reports[0]["models"]) & set(reports[1]["models"]), "each model has one replica"


def test_load_and_unload_leave_other_models_alone(
    trained: Trained, run: Run, say_at_the_end: Callable[[str], None]
) -> None:
    """Zipf's load on some models, first alone, then while others are loaded and unloaded."""
    names = sorted(trained.answers)
    asked_for, changed = names[:40], names[100:120]
    draw = np.random.default_rng(3)
    weights = 1 / np.arange(1, len(asked_for) + 1) ** 1.1
    body = json.dumps({"instances": trained.rows.tolist()}).encode()
    wrong: collections.Counter[str] = collections.Counter()

    def ask(name: str) -> float:
        start = time.perf_counter()
        answer = run.client.post(f"/tenants/v1/models/{name}:predict", body)
        if answer.status != 200:
            wrong[f"{answer.status} {answer.body.decode()[:200]}"] += 1
        elif answer.json != {"predictions": trained.answers[name]}:
            wrong[f"{name}: {answer.json}"] += 1
        return time.perf_counter() - start

    def load(requests: int) -> list[float]:
        picked = draw.choice(asked_for, requests, p=weights / weights.sum())
        with ThreadPoolExecutor(4) as pool:
            return sorted(pool.map(ask, map(str, picked)))

    def change() -> int:
        done = 0
        while not stop.is_set():
            for name in changed:
                for verb in ("unload", "load"):
                    answer = run.client.post(f"/tenants/v2/repository/models/{name}/{verb}", b"")
                    assert answer.status == 200, answer
                    done += 1
                if stop.is_set():
                    break
        return done

    for name in asked_for:
        ask(name)
    alone, stop = load(1000), threading.Event()
    with ThreadPoolExecutor(1) as pool:
        changes = pool.submit(change)
        try:
            beside = load(1000)
        finally:
            stop.set()
        done = changes.result()
    assert not wrong
    assert done > 20
    quantiles = [
        1e3 * one[int(share * len(one))] for share in (0.5, 0.99) for one in (alone, beside)
    ]
    say_at_the_end(
        "other models' requests, alone and while models are loaded and unloaded "
        f"({done} changes): median {quantiles[0]:.0f} and {quantiles[1]:.0f} ms, "
        f"p99 {quantiles[2]:.0f} and {quantiles[3]:.0f} ms, no error"
    )
    assert quantiles[3] < 3 * quantiles[2] + 100, "requests wait for loads of other models"


def test_one_repository_for_all_replicas(trained: Trained, run: Run) -> None:
    body = {"instances": trained.rows.tolist()}
    predict = "/tenants/v1/models/tenant-005:predict"
    assert run.client.post(predict, body).status == 200
    unload = run.client.post("/tenants/v2/repository/models/tenant-005/unload", b"")
    assert unload.json == {"name": "tenant-005", "unload": True}
    assert {run.client.post(predict, body).status for _ in range(30)} == {503}
    assert not any("tenant-005" in one["models"] for one in replicas(run))
    other = run.client.post("/tenants/v1/models/tenant-006:predict", body)
    assert other.json == {"predictions": trained.answers["tenant-006"]}
    assert run.client.post("/tenants/v2/repository/models/tenant-005/load", b"").status == 200
    assert sum("tenant-005" in one["models"] for one in replicas(run)) == 1
    assert {run.client.post(predict, body).status for _ in range(30)} == {200}


def test_a_replica_that_starts_later_knows_what_was_unloaded(trained: Trained, run: Run) -> None:
    body = {"instances": trained.rows.tolist()}
    predict = "/tenants/v1/models/tenant-007:predict"
    assert run.client.post("/tenants/v2/repository/models/tenant-007/unload", b"").status == 200
    killed = processes("ServeReplica:tenants:graph")
    assert len(killed) == 2
    for process in killed:
        process.kill()
    end = time.monotonic() + 90
    seen: list[int] = []
    while time.monotonic() < end and len(processes("ServeReplica:tenants:graph")) < 2:
        time.sleep(0.5)
    while time.monotonic() < end and seen[-20:] != [503] * 20:
        answer = run.client.post(predict, body)
        assert answer.status != 200, "a new replica did not know"
        seen.append(answer.status if b"not ready" in answer.body else 0)
    assert seen[-20:] == [503] * 20
    assert run.client.post("/tenants/v2/repository/models/tenant-007/load", b"").status == 200
    assert {run.client.post(predict, body).status for _ in range(20)} == {200}


def test_stock_grpc_client(trained: Trained, run: Run) -> None:
    triton = pytest.importorskip("tritonclient.grpc.aio")

    async def talk() -> None:
        async with triton.InferenceServerClient(f"127.0.0.1:{run.port + 1}") as client:
            index = await client.get_model_repository_index(as_json=True)
            assert [row["name"] for row in index["models"]] == sorted(trained.answers)
            tensor = triton.InferInput("x", list(trained.rows.shape), "FP64")
            tensor.set_data_from_numpy(trained.rows)
            for name in ("tenant-001", "tenant-199"):
                result = await client.infer(name, [tensor])
                assert result.as_numpy("output-0").tolist() == trained.answers[name]
            await client.unload_model("tenant-001")
            assert not await client.is_model_ready("tenant-001")
            assert await client.is_model_ready("tenant-002")
            with pytest.raises(Exception, match="not ready"):
                await client.infer("tenant-001", [tensor])
            await client.load_model("tenant-001")
            assert await client.is_model_ready("tenant-001")
            await client.infer("tenant-001", [tensor])

    asyncio.run(talk())
