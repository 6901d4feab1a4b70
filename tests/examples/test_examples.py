"""Each example gives the answer that stands beside it, in process and over real HTTP."""

from __future__ import annotations

import importlib.util
import json
import subprocess
import sys
import urllib.request
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).parents[2] / "examples"
STORIES = {
    "digits_cascade": ("graph.py", "digits"),
    "explained_diagnosis": ("graph.py", "diagnosis"),
    "driver_ranking": ("graph.py", "driver-ranking"),
    "kserve_chain": ("manifests.yaml", "iris-opinions"),
}


def test_every_example_is_run_by_this_test() -> None:
    folders = {folder.name for folder in EXAMPLES.iterdir() if folder.is_dir()}
    assert folders == set(STORIES)


NEEDS = {"explained_diagnosis": "alibi"}
"""What an example needs that does not come with `umbel[test]`."""


@pytest.fixture(scope="session", params=sorted(STORIES))
def trained(request: pytest.FixtureRequest) -> tuple[Path, str, str]:
    library = NEEDS.get(request.param, "pytest")
    if importlib.util.find_spec(library) is None:
        pytest.skip(f"{library} is not installed")
    folder = EXAMPLES / request.param
    subprocess.run([sys.executable, str(folder / "train.py")], check=True, capture_output=True)
    return (folder, *STORIES[request.param])


@pytest.mark.slow
def test_the_answer_over_http_is_the_expected_one(trained: tuple[Path, str, str]) -> None:
    folder, file, name = trained
    command = [sys.executable, "-m", "umbel", "run", "--local", str(folder / file), "--port", "0"]
    server = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        assert server.stdout is not None
        urls = {}
        for line in server.stdout:
            word, url = line.split()
            assert word == "ready"
            urls[url.rsplit("/", 1)[1]] = url
            if name in urls:
                break
        body = (folder / "request.json").read_bytes()
        with urllib.request.urlopen(urls[name], data=body, timeout=30) as reply:
            answer = json.loads(reply.read())
    finally:
        server.terminate()
        code = server.wait(timeout=30)
        assert server.stdout is not None
        server.stdout.close()
    assert answer == json.loads((folder / "expected.json").read_text())
    assert code == 0
