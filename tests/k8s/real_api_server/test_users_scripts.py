"""A program of KServe's users against a real API server, umbel's operator and a real Ray: with
KServe's own client unchanged, then with `UmbelClient` in its place."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from neighbours import neighbour
from ray_head import ray_head
from real_kube import ADMIN_TOKEN, RealKube
from real_operator import RealOperator, StandIn

pytestmark = pytest.mark.slow

LOAD = neighbour(Path(__file__).parents[1] / "operator" / "test_ray_target.py")
SCRIPT = Path(__file__).with_name("users_script.py")
PYTHON = os.environ.get("UMBEL_KSERVE_PYTHON", sys.executable)
PROBE = "import kserve, kubernetes.client as k; " + (
    "made = k.ApiClient().sanitize_for_serialization(kserve.V1beta1InferenceService(kind='a'));"
    "assert made == {'kind': 'a'}, made"
)
"""Version 37 of `kubernetes` writes the fields of KServe's objects under wrong names."""

SOURCE = Path(__file__).parents[3] / "src"
PATHS = [*filter(None, [os.environ.get("PYTHONPATH")]), str(SOURCE)]


@pytest.fixture(autouse=True)
def _kserve() -> None:
    if subprocess.run([PYTHON, "-c", PROBE], capture_output=True, check=False).returncode:
        pytest.skip(
            "UMBEL_KSERVE_PYTHON names no Python with kserve and a kubernetes that it works with"
        )


def run(
    kind: str, kube: RealKube, namespace: str, models: tuple[str, str], folder: Path, asks: str
) -> list[dict[str, Any]]:
    """What the program learned."""
    key = folder / "credentials"
    # KServe's client gives the values as they are where the API server wants base64.
    key.write_text("[default]\naws_access_key_id = bWU=\naws_secret_access_key = aGlkZGVu\n")
    config = kube.kubeconfig(ADMIN_TOKEN, namespace)
    words = [PYTHON, str(SCRIPT), kind, str(config), namespace, *models, str(key), asks]
    done = subprocess.run(
        words,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(PATHS)},
        capture_output=True,
        text=True,
        timeout=900,
        check=False,
    )
    lines = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]
    assert done.returncode == 0, (lines, done.stderr[-4000:])
    return lines


def both(
    kube: RealKube, namespace: str, models: tuple[str, str], folder: Path, asks: str
) -> list[dict[str, Any]]:
    """What KServe's client learns, after umbel's has learned the same."""
    found = []
    for kind in ("kserve", "umbel"):
        found.append(run(kind, kube, namespace, models, folder, asks))
        print(*map(json.dumps, found[-1]), sep="\n")
        kube.kubectl("delete", "isvc,ig,trainedmodel", "--all", "-n", namespace, timeout=100)
        kube.kubectl("delete", "serviceaccount", "models", "-n", namespace)
    assert found[0] == found[1]
    return found[0]


def test_every_method(
    kube: RealKube, namespace: str, operator: RealOperator, tmp_path: Path
) -> None:
    operator.start()
    with StandIn(kube):
        models = ("gs://bucket/old", "gs://bucket/new")
        found = {
            k: v for one in both(kube, namespace, models, tmp_path, "look") for k, v in one.items()
        }
    assert found["ready"] is found["graph ready"] is True
    assert found["created twice"] == "RuntimeError ['409']"
    assert found["nowhere"] == found["deleted"] == "RuntimeError ['404']"
    assert found["watched"] == ["iris", "True", "0", "100", found["url"]]
    assert found["replaced"][:2] == ["iris", "True"]


@pytest.mark.ray
def test_with_answers(
    kube: RealKube, namespace: str, operator: RealOperator, tmp_path: Path
) -> None:
    with ray_head() as head:
        base = f"http://127.0.0.1:{head.serve_port}"
        token = tmp_path / "token"
        token.write_text(head.token)
        operator.start(
            *("--target", "ray", "--dashboard-url", head.dashboard, "--linger", "1"),
            *("--ray-token-file", str(token), "--serve-url", base),
            *("--serve-port", str(head.serve_port)),
        )
        found: dict[str, Any] = {}
        for one in both(kube, namespace, LOAD.models(tmp_path), tmp_path, "ask"):
            found.update(one)
    assert found["answers"]["v1"] == {"predictions": [LOAD.OLD]}
    assert found["answers"]["v2"] == found["answers"]["v2 binary"] == [LOAD.OLD]
    assert found["answers"]["v2 ready"] == [True, True, True]
    assert found["patched"] == {"predictions": [LOAD.NEW]}
    assert found["graph answers"] == ["predictions"]
    assert found["trained model"] == {"predictions": [LOAD.OLD]}
