"""KServe's TrainedModels from a YAML file: every protocol by the model's name."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from loopback_server import Client

pytest.importorskip("skops")
from sklearn.datasets import load_wine
from sklearn.linear_model import LinearRegression, RidgeClassifier
from skops.io import dump

from free_ports import free_port_pair

pytestmark = [pytest.mark.slow]

SERVICE = """
apiVersion: serving.kserve.io/v1beta1
kind: InferenceService
metadata: {name: wines}
spec:
  predictor:
    model:
      modelFormat: {name: sklearn}
"""
MODEL = """
---
apiVersion: serving.kserve.io/v1alpha1
kind: TrainedModel
metadata: {name: %s}
spec:
  inferenceService: wines
  model: {storageUri: models/%s.skops, framework: sklearn, memory: 1Mi}
"""
ROWS, LABELS = load_wine(return_X_y=True)


@pytest.fixture(scope="module")
def answers(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, list[float]]]:
    """The manifests, and what each model says of the first rows."""
    home = tmp_path_factory.mktemp("wines")
    (home / "models").mkdir()
    found = {}
    for name, model, target in (
        ("kind", RidgeClassifier(), LABELS),
        ("alcohol", LinearRegression(), ROWS[:, 0]),
        ("colour", LinearRegression(), ROWS[:, 9]),
    ):
        model.fit(ROWS, target)
        dump(model, home / "models" / f"{name}.skops")
        found[name] = model.predict(ROWS[:3]).tolist()
    text = SERVICE + "".join(MODEL % (name, name) for name in found)
    (home / "services.yaml").write_text(text)
    return home / "services.yaml", found


@pytest.fixture(scope="module")
def port(answers: tuple[Path, dict[str, list[float]]]) -> Iterator[int]:
    file, _ = answers
    port = free_port_pair()
    words = [sys.executable, "-m", "umbel", "run", str(file), "--local", "--port", str(port)]
    process = subprocess.Popen(
        words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=dict(os.environ)
    )
    assert process.stdout is not None
    lines = [process.stdout.readline().strip() for _ in range(2)]
    if not all(line.startswith("ready ") for line in lines):
        raise AssertionError((lines, process.communicate()))
    yield port
    process.send_signal(signal.SIGTERM)
    process.communicate(timeout=60)
    assert process.returncode == 0


def test_http(port: int, answers: tuple[Path, dict[str, list[float]]]) -> None:
    client = Client(port)
    for name, expected in answers[1].items():
        body = {"instances": ROWS[:3].tolist()}
        v1 = client.post(f"/wines/v1/models/{name}:predict", body)
        assert v1.json["predictions"] == pytest.approx(expected, rel=1e-12)
        tensor = {
            "name": "x",
            "datatype": "FP64",
            "shape": [3, 13],
            "data": ROWS[:3].ravel().tolist(),
        }
        v2 = client.post(f"/wines/v2/models/{name}/infer", {"inputs": [tensor]})
        assert v2.json["outputs"][0]["data"] == pytest.approx(expected, rel=1e-12)
    index = client.post("/wines/v2/repository/index", b"").json
    assert [row["name"] for row in index] == ["alcohol", "colour", "kind"]


def test_stock_clients(port: int, answers: tuple[Path, dict[str, list[float]]]) -> None:
    grpc = pytest.importorskip("tritonclient.grpc.aio")
    http = pytest.importorskip("tritonclient.http.aio")

    async def talk() -> None:
        async with (
            grpc.InferenceServerClient(f"127.0.0.1:{port + 1}") as by_grpc,
            http.InferenceServerClient(f"127.0.0.1:{port}/wines") as by_http,
        ):
            for client, module in ((by_grpc, grpc), (by_http, http)):
                for name, expected in answers[1].items():
                    tensor = module.InferInput("x", [3, 13], "FP64")
                    tensor.set_data_from_numpy(ROWS[:3])
                    result = await client.infer(name, [tensor])
                    assert result.as_numpy("output-0") == pytest.approx(expected, rel=1e-12)
                await client.unload_model("kind")
                assert not await client.is_model_ready("kind")
                with pytest.raises(Exception, match="not ready"):
                    await client.infer("kind", [tensor])
                await client.load_model("kind")
                assert await client.is_model_ready("kind")

    asyncio.run(talk())
