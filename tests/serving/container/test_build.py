"""A build context is complete, the same each time, and serves what the graph served."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.datasets import load_iris
from sklearn.linear_model import LogisticRegression

from free_ports import free_port
from umbel import cli
from umbel.graph.errors import DeclarationError
from umbel.nodes.lean_skops import skops_io
from umbel.serving.container import building, own_wheel
from umbel.serving.container.local_code import code_of
from umbel.serving.container.locked import locked

IRIS = load_iris()

GRAPH = """
import numpy as np

from umbel import inference_graph, predictor, transformer
from features.scaling import scale_of

iris = predictor("sklearn", uri="../models/iris.skops")


@transformer
def scaled(x):
    import csv_of_factors
    return np.asarray(x) * scale_of(csv_of_factors.FACTORS)


@inference_graph
def flowers(x):
    return iris(scaled(x))
"""


@pytest.fixture()
def project(tmp_path: Path) -> Path:
    """A graph with a package beside it, a late import, and a model in another folder."""
    home = tmp_path / "home" / "project"
    for folder in ("graphs/features", "models", "unrelated"):
        (home / folder).mkdir(parents=True)
    model = LogisticRegression(max_iter=500).fit(IRIS.data, IRIS.target)
    skops_io.dump(model, home / "models" / "iris.skops")
    (home / "graphs" / "flowers.py").write_text(GRAPH)
    (home / "graphs" / "features" / "__init__.py").write_text("")
    (home / "graphs" / "features" / "scaling.py").write_text(
        "from .units import CENTIMETRES\n\ndef scale_of(factors):\n"
        "    return CENTIMETRES * sum(factors)\n"
    )
    (home / "graphs" / "features" / "units.py").write_text("CENTIMETRES = 1.0\n")
    (home / "graphs" / "features" / "unused.py").write_text("raise SystemExit\n")
    (home / "graphs" / "csv_of_factors.py").write_text("FACTORS = (0.5, 0.5)\n")
    (home / "unrelated" / "secret.env").write_text("TOKEN=1")
    return home


@pytest.fixture(scope="module")
def wheel() -> own_wheel.Own:
    return own_wheel.own()


@pytest.fixture()
def quick(monkeypatch: pytest.MonkeyPatch, wheel: own_wheel.Own) -> None:
    """The tree's wheel is built once for all tests."""
    monkeypatch.setattr(own_wheel, "own", lambda: wheel)


def contents(folder: Path) -> dict[str, bytes]:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def build(*words: object) -> int:
    return cli.main(["build", *map(str, words)])


@pytest.mark.slow
@pytest.mark.usefixtures("quick")
def test_what_is_in_it(project: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "image"
    assert build(project / "graphs" / "flowers.py", "-o", out, "--json") == 0
    told = json.loads(capsys.readouterr().out)
    assert told["app"] == [
        "graphs/csv_of_factors.py",
        "graphs/features/__init__.py",
        "graphs/features/scaling.py",
        "graphs/features/units.py",
        "graphs/flowers.py",
        "models/iris.skops",
    ]
    files = contents(out)
    assert {name.removeprefix("app/") for name in files if name.startswith("app/")} == {
        *told["app"]
    }
    dockerfile = files["Dockerfile"].decode()
    assert "USER 10001:10001" in dockerfile
    assert "/flowers/v2/health/ready" in dockerfile
    assert json.loads(dockerfile.splitlines()[-1].removeprefix("CMD ")) == told["command"]
    lines = files["requirements.txt"].decode().splitlines()[1:]
    assert [line.partition("==")[0] for line in lines] == sorted(told["libraries"])
    assert all(re.fullmatch(r"[a-z0-9-]+==[^=]+", line) for line in lines)
    names = {line.partition("==")[0] for line in lines}
    assert {"scikit-learn", "skops", "pandas", "ray", "grpcio", "numpy"} <= names
    assert not {"torch", "xgboost", "transformers", "kopf", "pytest", "umbel"} & names
    # Again, later and over the old one: the same to the last byte.
    time.sleep(0.01)
    assert build(project / "graphs" / "flowers.py", "-o", out) == 1
    assert "is there already" in capsys.readouterr().err
    assert build(project / "graphs" / "flowers.py", "-o", out, "--force") == 0
    assert contents(out) == files
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith(".")] == []


@pytest.mark.slow
def test_equal_trees_give_equal_wheels(wheel: own_wheel.Own) -> None:
    tree = own_wheel.source_tree()
    if tree is None:
        pytest.skip("umbel is not an editable install here")
    before = {p: p.stat().st_mtime_ns for p in tree.rglob("pyproject.toml")}
    name, content = own_wheel.build_wheel(tree)
    assert (name, content) == (wheel.name, wheel.content)
    assert before == {p: p.stat().st_mtime_ns for p in tree.rglob("pyproject.toml")}


@pytest.fixture()
def served(project: Path, tmp_path: Path, quick: None) -> Iterator[str]:
    """The image's own command, in a folder laid out as the image is; the tree is not there."""
    out = tmp_path / "image"
    assert build(project / "graphs" / "flowers.py", "-o", out, "--local") == 0
    project.rename(tmp_path / "gone")
    (wheel,) = (out / "wheels").glob("*.whl")
    site = tmp_path / "site"
    with zipfile.ZipFile(wheel) as file:
        file.extractall(site)
    (command,) = [
        json.loads(line.removeprefix("CMD "))
        for line in (out / "Dockerfile").read_text().splitlines()
        if line.startswith("CMD ")
    ]
    assert command[:2] == ["umbel", "run"]
    port = free_port()
    words = [{"0.0.0.0": "127.0.0.1", "8000": str(port)}.get(word, word) for word in command[1:]]
    home = tmp_path / "tmp"
    home.mkdir()
    process = subprocess.Popen(
        [sys.executable, "-m", "umbel", *words],
        cwd=out / "app",
        env={**os.environ, "PYTHONPATH": str(site), "HOME": str(home),
             "PYTHONDONTWRITEBYTECODE": "1"},
        stdout=subprocess.PIPE,
        text=True,
    )  # fmt: skip
    try:
        assert process.stdout is not None
        line = process.stdout.readline()
        assert line.startswith(f"ready http://127.0.0.1:{port}/flowers"), line
        loaded = subprocess.run(
            [sys.executable, "-c", "import umbel.serving as s; print(list(s.__path__)[0])"],
            env={**os.environ, "PYTHONPATH": str(site)}, cwd=out / "app",
            capture_output=True, text=True, check=True,
        )  # fmt: skip
        assert loaded.stdout.strip().startswith(str(site))  # the wheel's code, not the tree's
        yield f"http://127.0.0.1:{port}"
    finally:
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=30)


def get(url: str, body: Any = None) -> tuple[int, Any]:
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(url, data, {"content-type": "application/json"})
    try:
        with urllib.request.urlopen(request, timeout=20) as reply:
            return reply.status, json.loads(reply.read() or b"null")
    except urllib.error.HTTPError as error:
        return error.code, error.read()


@pytest.mark.slow
def test_the_image_s_command_serves_the_graph(served: str, tmp_path: Path) -> None:
    answer = get(
        f"{served}/flowers/v1/models/flowers:predict", {"instances": IRIS.data[:60].tolist()}
    )
    model = skops_io.load(tmp_path / "gone" / "models" / "iris.skops")
    assert answer == (200, {"predictions": model.predict(IRIS.data[:60]).tolist()})
    dockerfile = (tmp_path / "image" / "Dockerfile").read_text()
    (check,) = re.findall(r"http://127.0.0.1:8000(/[^']*)'", dockerfile)
    assert get(served + check)[0] == 200
    assert not list((tmp_path / "image").rglob("__pycache__"))


@pytest.mark.slow
@pytest.mark.usefixtures("quick")
def test_what_is_refused(project: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    def refused(graph: str, *words: str) -> str:
        path = project / "graphs" / f"g{abs(hash(graph))}.py"
        path.write_text(graph)
        capsys.readouterr()
        assert build(path, "-o", tmp_path / "no", *words) == 1
        assert not (tmp_path / "no").exists()
        return capsys.readouterr().err

    model = project / "models" / "iris.skops"
    assert "UMB-G240" in refused(GRAPH.replace("iris.skops", "lost.skops"))
    assert "absolute paths" in refused(GRAPH.replace("../models/iris.skops", str(model)))
    reading = "\nimport pathlib\nLIMITS = pathlib.Path('limits.txt').read_text()\n"
    here = os.getcwd()
    try:
        os.chdir(project / "graphs")
        Path("limits.txt").write_text("3")
        assert "--include PATH" in refused(GRAPH + reading)
    finally:
        os.chdir(here)
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "thesis.tex").write_text("")
    assert build(project / "graphs" / "flowers.py", "-o", tmp_path / "full", "--force") == 1
    assert (tmp_path / "full" / "thesis.tex").exists()


@pytest.mark.slow
@pytest.mark.usefixtures("quick")
def test_kserve_yaml_and_models_that_stay_where_they_are(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("s3fs")
    (tmp_path / "a" / "b").mkdir(parents=True)
    (tmp_path / "a" / "b" / "service.yaml").write_text(
        "apiVersion: serving.kserve.io/v1beta1\nkind: InferenceService\nmetadata: {name: iris}\n"
        "spec: {predictor: {model: {modelFormat: {name: sklearn}, storageUri: s3://m/iris}}}\n"
    )
    out = tmp_path / "image"
    assert build(tmp_path / "a" / "b" / "service.yaml", "-o", out, "--base", "python:x") == 0
    files = contents(out)
    assert files["Dockerfile"].decode().startswith("FROM python:x\n")
    assert b"s3fs==" in files["requirements.txt"]
    assert b"- s3://m/iris" in files["README.md"]
    assert [name for name in files if name.startswith("app/")] == ["app/service.yaml"]


def test_imports_are_read_not_run(project: Path, tmp_path: Path) -> None:
    found = code_of([project / "graphs" / "flowers.py"])
    assert {path.name for path in found.files} == {
        "flowers.py", "csv_of_factors.py", "__init__.py", "scaling.py", "units.py",
    }  # fmt: skip
    assert {name.partition(".")[0] for name in found.libraries} == {"numpy", "umbel"}
    (project / "graphs" / "broken.py").write_text("def")
    with pytest.raises(DeclarationError, match="broken.py is not Python"):
        code_of([project / "graphs" / "broken.py"])


def test_only_what_is_needed_is_locked() -> None:
    own = ["numpy>=1", 'scikit-learn; extra == "sklearn"', 'torch; python_version < "3"']
    small = locked(own, (), ())
    assert small.versions == {"numpy": np.__version__}
    more = locked(own, ["sklearn"], ["yaml.reader"])
    assert {"scikit-learn", "scipy", "joblib", "pyyaml"} <= more.versions.keys()
    assert "torch" not in more.versions
    with pytest.raises(DeclarationError, match="pip install no-such-thing"):
        locked(["no-such-thing"], (), ())


def test_a_build_of_torch_names_its_index() -> None:
    text = building.Locked({"numpy": "1.26.4", "torch": "2.13.0+cpu"}).text()
    assert "--extra-index-url https://download.pytorch.org/whl/cpu\n" in text
