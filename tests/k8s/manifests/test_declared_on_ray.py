"""The configuration that manifests hold deploys through Ray Serve's REST API, rolls without a
failed request, and changes the number of replicas without restarting any."""

from __future__ import annotations

import json
import os
import secrets
import subprocess
import sys
import tempfile
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from free_ports import free_port
from umbel.graph import passes
from umbel.graph.inference import infer
from umbel.k8s.manifests import ServeOptions, config_text, serve_config
from umbel.k8s.translate import translate

pytest.importorskip("ray.serve")
pytestmark = [pytest.mark.ray, pytest.mark.slow]

TOKEN = secrets.token_hex(32)
SCRIPT = Path(__file__).with_name("declared_on_ray.py")

SERVICE = """
apiVersion: serving.kserve.io/v1beta1
kind: InferenceService
metadata: {{name: {name}, namespace: team}}
spec:
  predictor:
    minReplicas: {replicas}
    maxReplicas: {replicas}
    model: {{modelFormat: {{name: sklearn}}, storageUri: "file://{model}"}}
"""

GRAPH = """
---
apiVersion: serving.kserve.io/v1alpha1
kind: InferenceGraph
metadata: {name: twice, namespace: team}
spec:
  nodes:
    root:
      routerType: Sequence
      steps: [{serviceName: iris}, {serviceName: iris, data: $request}]
"""


def config(text: str, options: ServeOptions) -> dict[str, Any]:
    """What ``PUT /api/serve/applications/`` gets, through its text form."""
    translated = translate([("manifests.yaml", text)])
    assert translated.program.served, translated.findings
    plan = passes.plan(infer(translated.program))
    data: dict[str, Any] = yaml.safe_load(config_text(serve_config(plan, options)))
    return {**data, "http_options": {"host": "127.0.0.1", "port": 0}, "proxy_location": "HeadOnly"}


class Cluster:
    """One Ray with Serve on ``port``, told over REST."""

    def __init__(self, port: int, dashboard: int) -> None:
        self.port, self.rest = port, f"http://127.0.0.1:{dashboard}/api/serve/applications/"

    def put(self, wanted: dict[str, Any]) -> None:
        wanted = {**wanted, "http_options": {"host": "127.0.0.1", "port": self.port}}
        self._send("PUT", wanted)
        end = time.monotonic() + 120
        while time.monotonic() < end:
            apps = self.status()["applications"]
            if all(a["status"] == "RUNNING" for a in apps.values()) and self._settled(apps):
                return
            failed = {n: a["message"] for n, a in apps.items() if "FAILED" in a["status"]}
            assert not failed, failed
            time.sleep(0.2)
        raise AssertionError(apps)

    @staticmethod
    def _settled(apps: dict[str, Any]) -> bool:
        deployments = [d for a in apps.values() for d in a["deployments"].values()]
        return all(
            d["status"] == "HEALTHY"
            and len([r for r in d["replicas"] if r["state"] == "RUNNING"])
            == len(d["replicas"])
            == d["target_num_replicas"]
            for d in deployments
        )

    def status(self) -> dict[str, Any]:
        found: dict[str, Any] = self._send("GET", None)
        return found

    def replicas(self, app: str) -> set[str]:
        (deployment,) = self.status()["applications"][app]["deployments"].values()
        return {replica["replica_id"] for replica in deployment["replicas"]}

    def post(self, path: str, body: Any) -> tuple[int, Any]:
        url = f"http://127.0.0.1:{self.port}{path}"
        request = urllib.request.Request(url, json.dumps(body).encode(), method="POST")
        try:
            with urllib.request.urlopen(request, timeout=30) as reply:
                return reply.status, json.load(reply)
        except urllib.error.HTTPError as error:
            return error.code, error.read()

    def _send(self, method: str, data: Any) -> Any:
        body = None if data is None else json.dumps(data).encode()
        headers = {"content-type": "application/json", "authorization": f"Bearer {TOKEN}"}
        request = urllib.request.Request(self.rest, body, headers, method=method)
        with urllib.request.urlopen(request, timeout=60) as reply:
            text = reply.read()
        return json.loads(text) if text.strip() else None


@pytest.fixture(scope="module")
def cluster() -> Iterator[Cluster]:
    port, dashboard = free_port(), free_port()
    folder = tempfile.mkdtemp(prefix="umb", dir="/tmp")
    process = subprocess.Popen(
        [sys.executable, str(SCRIPT), str(port), str(dashboard), folder],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env={**os.environ, "RAY_AUTH_TOKEN": TOKEN},
        text=True,
    )
    assert process.stdout is not None
    if process.stdout.readline().strip() != "ready":
        raise AssertionError(process.communicate())
    yield Cluster(port, dashboard)
    process.communicate(timeout=120)
    assert process.returncode == 0


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Two models that answer differently: the class, and the class the other way round."""
    import skops.io
    from sklearn.datasets import load_iris
    from sklearn.linear_model import LogisticRegression

    found = {}
    data, target = load_iris(return_X_y=True)
    for name, labels in (("as_is", target), ("reversed", 2 - target)):
        folder = tmp_path_factory.mktemp(name)
        skops.io.dump(LogisticRegression(max_iter=500).fit(data, labels), folder / "model.skops")
        found[name] = folder
    return found


SETOSA = {"instances": [[5.1, 3.5, 1.4, 0.2]]}


def test_a_service_and_a_graph_answer_and_change(cluster: Cluster, models: dict[str, Path]) -> None:
    options = ServeOptions(namespace="team")
    iris = SERVICE.format(name="iris", replicas=1, model=models["as_is"])
    cluster.put(config(iris + GRAPH, options))
    predict = "/team/iris/v1/models/iris:predict"
    assert cluster.post(predict, SETOSA) == (200, {"predictions": [0]})
    assert cluster.post("/team/twice", SETOSA) == (200, {"predictions": [0]})

    before = cluster.replicas("team.iris")
    more = SERVICE.format(name="iris", replicas=2, model=models["as_is"])
    cluster.put(config(more + GRAPH, options))
    assert before < cluster.replicas("team.iris")

    with Traffic(cluster, predict) as traffic:
        other = SERVICE.format(name="iris", replicas=2, model=models["reversed"])
        cluster.put(config(other + GRAPH, options))
        time.sleep(0.5)
    assert set(traffic.answers) == {'[200, {"predictions": [0]}]', '[200, {"predictions": [2]}]'}
    assert cluster.post(predict, SETOSA) == (200, {"predictions": [2]})


def test_a_service_at_the_root_has_kserves_paths(cluster: Cluster, models: dict[str, Path]) -> None:
    text = SERVICE.format(name="iris", replicas=1, model=models["as_is"])
    cluster.put(config(text, ServeOptions(rooted=True)))
    assert set(cluster.status()["applications"]) == {"iris"}
    assert cluster.post("/v1/models/iris:predict", SETOSA) == (200, {"predictions": [0]})
    v2 = {"inputs": [{"name": "x", "shape": [1, 4], "datatype": "FP64", "data": [5, 3, 1, 0.2]}]}
    status, body = cluster.post("/v2/models/iris/infer", v2)
    assert status == 200
    assert body["outputs"][0]["data"] == [0]


class Traffic:
    """Requests one after the other for as long as the block lasts, and what they got."""

    def __init__(self, cluster: Cluster, path: str) -> None:
        self._cluster, self._path = cluster, path
        self._stop = threading.Event()
        self.answers: list[str] = []
        self._thread = threading.Thread(target=self._run)

    def __enter__(self) -> Traffic:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._stop.is_set():
            self.answers.append(json.dumps(self._cluster.post(self._path, SETOSA)))
            time.sleep(0.005)
