"""A node in an environment of its own, with another numpy, gets and gives arrays as they are."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from loopback_server import Client
from other_numpy import python_with_numpy
from simulated_cluster import served

pytest.importorskip("ray.serve")
pytestmark = [pytest.mark.ray, pytest.mark.slow]

FILE = Path(__file__).parents[2] / "graphs" / "two_environments.py"
OTHER = "2.2.6" if np.__version__.startswith("1.") else "1.26.4"


@pytest.fixture(scope="module")
def other_python(tmp_path_factory: pytest.TempPathFactory) -> str:
    """An interpreter that has another numpy, and everything else from this environment."""
    return python_with_numpy(OTHER, tmp_path_factory.mktemp("env"))


def test_arrays_between_two_versions_of_numpy(
    other_python: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("UMBEL_TEST_PYTHON", other_python)
    with served(FILE, ["across"], "--replicas", "1") as client:
        told = output(client)
    assert told.pop("here") == np.__version__
    assert told.pop("there") == OTHER
    assert told == dict.fromkeys(told, True)
    assert len(told) == 11


def output(client: Client) -> Any:
    answer = client.post("/across", {"x": 1})
    assert answer.status == 200, answer
    told = json.loads(answer.body)
    return told.get("output", told)


def test_variables_of_a_nodes_own(tmp_path: Path) -> None:
    file = tmp_path / "own.py"
    file.write_text(
        "import os\n"
        "from umbel import inference_graph, transformer\n"
        "def tell(x):\n"
        "    return os.environ.get('TUNED', '')\n"
        "own = transformer(name='own', env={'env_vars': {'TUNED': 'yes'}})(tell)\n"
        "plain = transformer(name='plain')(tell)\n"
        "@inference_graph\n"
        "def g(x):\n"
        "    return {'own': own(x), 'plain': plain(x)}\n"
    )
    os.environ.pop("TUNED", None)
    with served(file, ["g"], "--replicas", "1") as client:
        assert json.loads(client.post("/g", {"x": 1}).body) == {"own": "yes", "plain": ""}
