"""Classes in KServe's shape that yield: chunk by chunk as they are, or as events."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from event_client import events
from loopback_server import Client, serving
from umbel.cli import files
from umbel.graph import passes

SERVICE = """
apiVersion: serving.kserve.io/v1beta1
kind: InferenceService
metadata:
  name: {name}
  annotations: {{umbel.dev/predictor-class: "yielding_models:{cls}"}}
spec:
  predictor:
    containers: [{{name: kserve-container, image: any}}]
"""

CODE = """
import asyncio

class Plain:
    def __init__(self, name=None): pass
    def predict(self, payload):
        for one in payload["instances"]:
            if one == "bad":
                raise ValueError("a secret")
            yield one

class Async:
    def __init__(self, name=None): pass
    async def predict(self, payload, headers=None):
        async def chunks():
            for one in payload["instances"]:
                await asyncio.sleep(0.01)
                yield one
        return chunks()
"""


@pytest.fixture()
def client(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Client]:
    (tmp_path / "yielding_models.py").write_text(CODE)
    texts = [SERVICE.format(name=cls.lower(), cls=cls) for cls in ("Plain", "Async")]
    (tmp_path / "services.yaml").write_text("---".join(texts))
    monkeypatch.setattr(sys, "path", [*sys.path])
    plan = passes.plan(files.load([str(tmp_path / "services.yaml")]).or_raise().program)
    with serving(plan=plan) as client:
        yield client
    sys.modules.pop("yielding_models", None)


@pytest.mark.parametrize("name", ["plain", "async"])
def test_a_class_that_yields(client: Client, name: str) -> None:
    path = f"/{name}/v1/models/{name}:predict"
    answer = client.post(path, {"instances": ["a", "bc", {"x": 1}]})
    assert (answer.status, answer.body) == (200, b'abc{"x":1}\n')
    assert answer.headers["transfer-encoding"] == "chunked"
    found = [event.data for event in events(client.port, path, {"instances": ["a", {"x": 1}]})]
    assert found == ["a", {"x": 1}]


def test_its_errors(client: Client) -> None:
    path = "/plain/v1/models/plain:predict"
    failed = client.post(path, {"instances": ["bad"]})
    assert failed.status == 500
    assert b"secret" not in failed.body
    *_, last = events(client.port, path, {"instances": ["a", "bad"]})
    assert set(last.data) == {"error", "status"}
    assert last.data["status"] == 500
    assert "secret" not in last.data["error"]
