"""Two InferenceServices, a graph over them and a ConfigMap in one file, with ``umbel run``."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
from backends import OverHttp
from case_files import Request

from free_ports import free_port

FILE = """
apiVersion: serving.kserve.io/v1beta1
kind: InferenceService
metadata:
  name: first
  annotations: {umbel.dev/predictor-class: "scripted_models:Echo"}
spec: {predictor: {containers: [{image: echo, args: [--tag, first]}]}}
---
apiVersion: serving.kserve.io/v1beta1
kind: InferenceService
metadata:
  name: second
  annotations: {umbel.dev/predictor-class: "scripted_models:Echo"}
spec: {predictor: {containers: [{image: echo, args: [--tag, second]}]}}
---
apiVersion: serving.kserve.io/v1alpha1
kind: InferenceGraph
metadata: {name: both}
spec:
  nodes:
    root:
      routerType: Ensemble
      steps: [{name: one, serviceName: first}, {name: two, serviceName: second}]
---
apiVersion: v1
kind: ConfigMap
metadata: {name: inferenceservice-config, namespace: kserve}
data:
  router: '{"headers": {"propagate": ["^X-Any$"]}}'
"""


@pytest.fixture()
def run(tmp_path: Path) -> Iterator[tuple[OverHttp, subprocess.Popen[str]]]:
    (tmp_path / "all.yaml").write_text(FILE)
    models = Path(__file__).parent / "models" / "scripted_models.py"
    (tmp_path / models.name).write_text(models.read_text())
    port = free_port()
    command = [sys.executable, "-m", "umbel", "run", str(tmp_path / "all.yaml"), "--local"]
    process = subprocess.Popen(
        [*command, "--no-grpc", "--port", str(port)], stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    lines = [process.stdout.readline().split("/")[-1].strip() for _ in range(3)]
    assert lines == ["first", "second", "both"]
    yield OverHttp(port), process
    process.terminate()
    process.communicate(timeout=30)


@pytest.mark.slow
def test_all_three_answer_and_the_graph_makes_no_http_calls(
    run: tuple[OverHttp, subprocess.Popen[str]],
) -> None:
    served, process = run
    headers = (("Content-Type", "application/json"), ("X-Any", "1"), ("X-Other", "2"))
    body = b'{"instances":[1]}'
    reply = served.send("both", Request(body=body, headers=headers))
    assert reply.status == 200
    got = json.loads(reply.body)
    assert got["one"] == {
        "predictions": ["first"], "payload": {"instances": [1]}, "headers": {"x-any": "1"},
    }  # fmt: skip
    assert got["two"]["predictions"] == ["second"]
    for name in ("first", "second"):
        alone = served.send(name, Request(path=f"/v1/models/{name}:predict", body=body))
        assert json.loads(alone.body)["predictions"] == [name]
    open_now = psutil.Process(process.pid).net_connections("inet")
    mine = [c for c in open_now if c.raddr and c.laddr.port != served.port]
    assert mine == []
