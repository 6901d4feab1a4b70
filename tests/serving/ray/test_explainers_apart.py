"""An explainer in a replica of its own, and in an environment of its own."""

from __future__ import annotations

import json
import sys
import threading
import time
from collections import defaultdict
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from explainer_libraries import alibi_or_skip
from loopback_server import Client
from other_numpy import python_with_numpy
from simulated_cluster import served

pytest.importorskip("ray.serve")
library = alibi_or_skip()
pytestmark = [pytest.mark.ray, pytest.mark.slow]

FILE = Path(__file__).parents[2] / "graphs" / "explained_apart.py"
BUSY = 4
"""Clients that explain without a pause."""


@pytest.fixture()
def log(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("UMBEL_TEST_LOG", str(tmp_path / "log"))
    return tmp_path / "log"


def by_process(log: Path) -> dict[int, list[dict[str, Any]]]:
    found = defaultdict(list)
    for line in log.read_text().splitlines():
        found[json.loads(line)["pid"]].append(json.loads(line))
    return found


def by_hand(row: int) -> dict[str, Any]:
    from explained_apart_graph import MODEL, OPTIONS, X

    names = [f"f{i}" for i in range(X.shape[1])]
    direct = library.AnchorTabular(MODEL.predict, names, seed=0, dtype=X.dtype).fit(X)
    told: dict[str, Any] = json.loads(direct.explain(X[row], **OPTIONS).to_json())
    return told


@pytest.fixture(autouse=True)
def _graph_by_name(monkeypatch: pytest.MonkeyPatch) -> None:
    """The graph file as a module, for its data and its model."""
    import importlib.util

    spec = importlib.util.spec_from_file_location("explained_apart_graph", FILE)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, "explained_apart_graph", module)
    spec.loader.exec_module(module)


def explain(client: Client, graph: str, row: int) -> dict[str, Any]:
    from explained_apart_graph import OPTIONS, X

    body = {"instances": [X[row].tolist()], "parameters": OPTIONS}
    answer = client.post(f"/{graph}/v1/models/{graph}:explain", body)
    assert answer.status == 200, answer
    return dict(answer.json)


def p99(client: Client, seconds: float) -> float:
    from explained_apart_graph import X

    body, taken, end = {"instances": [X[3].tolist()]}, [], time.perf_counter() + seconds
    while time.perf_counter() < end:
        start = time.perf_counter()
        assert client.post("/beside/v1/models/beside:predict", body).status == 200
        taken.append(time.perf_counter() - start)
    return float(np.quantile(taken, 0.99))


def test_explanations_do_not_hold_up_predictions(log: Path) -> None:
    with served(Path(f"{FILE}:beside"), ["beside"], "--replicas", "1") as client:
        assert explain(client, "beside", 3)["data"] == by_hand(3)["data"]
        p99(client, 1)
        log.write_text("")
        assert p99(client, 0.2) > 0
        (clients,) = by_process(log)
        ratios, explained = [], []
        for _ in range(3):
            alone = p99(client, 3)
            done = threading.Event()

            def keep(done: threading.Event = done) -> None:
                while not done.is_set():
                    explained.append(explain(client, "beside", 40)["data"]["anchor"])

            threads = [threading.Thread(target=keep) for _ in range(BUSY)]
            for thread in threads:
                thread.start()
            time.sleep(0.5)
            ratios.append(p99(client, 3) / alone)
            done.set()
            for thread in threads:
                thread.join()
            if ratios[-1] <= 2:
                break
    print(f"p99 beside {BUSY} explanations: {ratios} times; {len(explained)} explained")
    assert len(explained) >= BUSY
    assert explained.count(explained[0]) == len(explained)
    assert min(ratios) <= 2
    calls = by_process(log)
    assert {one["rows"] for one in calls.pop(clients)} == {1}
    (others,) = calls.values()
    asked = [one["rows"] for one in others if one["rows"] > 1]
    assert np.mean(asked) > 50, "the explainer asks in batches"


def test_an_explainer_with_numpy_1_of_a_core_with_numpy_2(
    log: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not np.__version__.startswith("1."):
        pytest.skip("alibi needs numpy 1.26, and this environment has another")
    ours, expected = np.__version__, by_hand(3)
    core = python_with_numpy("2.2.6", tmp_path / "env")
    monkeypatch.setenv("UMBEL_TEST_PYTHON", sys.executable)
    monkeypatch.setattr(sys, "executable", core)  # what starts `umbel run`
    log.write_text("")
    with served(Path(f"{FILE}:elsewhere"), ["elsewhere"], "--replicas", "1") as client:
        assert explain(client, "elsewhere", 3)["data"] == expected["data"]
    calls = [one for lines in by_process(log).values() for one in lines]
    assert {one["numpy"] for one in calls} == {"2.2.6"}
    assert max(one["rows"] for one in calls) >= 100
    assert ours.startswith("1.26")
