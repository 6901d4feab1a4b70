"""``umbel k8s``: what its verbs print."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from umbel.cli import main

ROOT = Path(__file__).parents[2]
MANIFESTS = ROOT / "examples" / "kserve_chain" / "manifests.yaml"


def test_render_prints_the_same_documents_each_time(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["k8s", "render", str(MANIFESTS), "--image", "me/umbel:1"]) == 0
    first = capsys.readouterr().out
    assert main(["k8s", "render", str(MANIFESTS), "--image", "me/umbel:1"]) == 0
    assert capsys.readouterr().out == first
    kinds = {one["kind"] for one in yaml.safe_load_all(first)}
    assert kinds >= {"RayService", "HTTPRoute", "NetworkPolicy", "ServiceMonitor"}
    assert "image: me/umbel:1" in first


def test_render_reads_stdin_and_prints_json(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO(MANIFESTS.read_text()))
    assert main(["k8s", "render", "-", "--json", "--route", "none", "--no-policies"]) == 0
    listed = json.loads(capsys.readouterr().out)
    assert listed["kind"] == "List"
    assert "HTTPRoute" not in {one["kind"] for one in listed["items"]}


def test_render_tells_every_mistake(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "bad.yaml"
    file.write_text(
        "apiVersion: serving.kserve.io/v1beta1\nkind: InferenceService\nmetadata: {name: a}\n"
        "spec:\n  predictor:\n    minReplicas: -1\n    scaleMetric: love\n    sklearn: {}\n"
    )
    assert main(["k8s", "render", str(file)]) == 1
    out = capsys.readouterr()
    assert out.out == ""
    assert "bad.yaml:6" in out.err
    assert "bad.yaml:7" in out.err
    assert main(["k8s", "render", str(tmp_path / "none.yaml")]) == 1
    assert "cannot be read" in capsys.readouterr().err


def test_crds_and_install_print_documents(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["k8s", "crds", "--json"]) == 0
    items = json.loads(capsys.readouterr().out)["items"]
    assert {one["kind"] for one in items} == {"CustomResourceDefinition"}
    assert main(["k8s", "install", "--no-crds", "--watch", "team", "--namespace", "me"]) == 0
    text = capsys.readouterr().out
    assert text.startswith("---\n")
    assert "--namespace=team" in text
    assert "namespace: me\n" in text


def test_install_writes_a_chart(tmp_path: Path) -> None:
    assert main(["k8s", "install", "--chart", str(tmp_path / "chart")]) == 0
    chart = yaml.safe_load((tmp_path / "chart" / "Chart.yaml").read_text())
    assert chart["name"] == "umbel"
    assert (tmp_path / "chart" / "templates" / "webhooks.yaml").is_file()


def test_install_for_a_ray_needs_its_address(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["k8s", "install", "--target", "ray"]) == 1
    assert "--dashboard-url" in capsys.readouterr().err
    assert main(["k8s", "render", str(MANIFESTS), "--redis-secret", "r"]) == 1
    assert "--redis HOST:PORT" in capsys.readouterr().err


@pytest.mark.parametrize("template", ["/x/{foo}", "/x", "{name}", "/x/{name", "/{}"])
def test_a_path_template_that_names_no_resource(
    template: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["k8s", "render", str(MANIFESTS), "--path-template", template]) == 1
    assert "--path-template '/serving/{namespace}/{name}'" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("config", "words"),
    [("/nowhere", "No such file or directory: '/nowhere'"), ("", "set KUBECONFIG")],
)
def test_an_operator_without_a_cluster_ends_at_once(
    config: str, words: str, tmp_path: Path
) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "umbel", "k8s", "operator"],
        env={**os.environ, "KUBECONFIG": config, "HOME": str(tmp_path)},
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert done.returncode == 1
    assert words in done.stderr
    assert "Traceback" not in done.stderr
