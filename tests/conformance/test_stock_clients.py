"""KServe's first sample, through clients that nobody changed for umbel."""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from free_ports import free_port

pytestmark = pytest.mark.slow

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
ROWS = [[6.8, 2.8, 4.8, 1.4], [6.0, 3.4, 4.5, 1.6]]
FILE = """
apiVersion: serving.kserve.io/v1beta1
kind: InferenceService
metadata: {name: iris}
spec: {predictor: {sklearn: {storageUri: MODELS/iris}}}
---
apiVersion: serving.kserve.io/v1alpha1
kind: InferenceGraph
metadata: {name: flowers}
spec: {nodes: {root: {routerType: Sequence, steps: [{serviceName: iris}]}}}
"""


@pytest.fixture(scope="module")
def url(models: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """``umbel run --local`` with the sample's file."""
    file = tmp_path_factory.mktemp("iris") / "iris.yaml"
    file.write_text(FILE.replace("MODELS", str(models)))
    port = free_port()
    command = [sys.executable, "-m", "umbel", "run", str(file), "--local", "--no-grpc"]
    process = subprocess.Popen([*command, "--port", str(port)], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline().startswith("ready")
    yield f"http://127.0.0.1:{port}"
    process.terminate()
    process.communicate(timeout=30)


def test_plain_http(url: str) -> None:
    request = urllib.request.Request(
        f"{url}/iris/v1/models/iris:predict", json.dumps({"instances": ROWS}).encode()
    )
    with urllib.request.urlopen(request) as reply:
        assert reply.read() == b'{"predictions":[1,1]}'


@pytest.mark.parametrize("binary", [True, False])
def test_triton_http(url: str, binary: bool) -> None:
    triton = pytest.importorskip("tritonclient.http")
    client = triton.InferenceServerClient(url.removeprefix("http://") + "/iris")
    try:
        assert client.is_server_live()
        assert client.is_server_ready()
        assert client.is_model_ready("iris")
        metadata = client.get_model_metadata("iris")
        rows = np.array(ROWS, "float32")
        sent = triton.InferInput(metadata["inputs"][0]["name"], list(rows.shape), "FP32")
        sent.set_data_from_numpy(rows, binary_data=binary)
        name = metadata["outputs"][0]["name"]
        wanted = triton.InferRequestedOutput(name, binary_data=binary)
        result = client.infer("iris", [sent], outputs=[wanted], request_id="r-1")
        assert result.as_numpy(name).tolist() == [1, 1]
        assert result.get_response()["id"] == "r-1"
        assert [model["name"] for model in client.get_model_repository_index()] == ["iris"]
        client.unload_model("iris")
        assert not client.is_model_ready("iris")
        client.load_model("iris")
        assert client.is_model_ready("iris")
    finally:
        client.close()


def test_kserve_client(url: str) -> None:
    python = _python_with_kserve()
    if python is None:
        pytest.skip("no Python with kserve: make .venv-peers/.made, or set UMBEL_KSERVE_PYTHON")
    command = [python, str(HERE / "kserve_client.py"), url]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout.splitlines()[-1]) == {
        "v1": {"predictions": [1, 1]}, "v1 ready": True, "v1 live": True,
        "graph": {"predictions": [1, 1]},
        "v2": [1, 1], "v2 id": "r-1", "v2 live": True, "v2 ready": True, "v2 model": True,
    }  # fmt: skip


def _python_with_kserve() -> str | None:
    """KServe wants other versions than umbel: usually an environment of its own."""
    named = os.environ.get("UMBEL_KSERVE_PYTHON")
    if named:
        return named
    if importlib.util.find_spec("kserve") is not None:
        return sys.executable
    peers = ROOT / ".venv-peers" / "bin" / "python"
    return str(peers) if peers.exists() else None
