"""An environment that cannot be built ends the run with what the installer said."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("ray.serve")

from loopback_server import planned
from umbel.graph.decorators import inference_graph, transformer
from umbel.serving.node_environments import environments, reason

PIP = {"pip": ["emoji==2.14.0"]}
OUTPUT = """Traceback (most recent call last):
  File "/x/pip.py", line 1, in create
RuntimeError: Run cmd[9] failed with the following details.
Command '['python', '-m', 'pip', 'install']' returned non-zero exit status 1.
Last 50 lines of stdout:
    Looking in indexes: https://pypi.org/simple
    \x1b[31mERROR: Could not find a version that satisfies the requirement emoji==99\x1b[0m
    ERROR: No matching distribution found for emoji==99
    [notice] A new release of pip is available
"""


def test_each_environment_that_installs_something_is_built_once() -> None:
    @transformer(env=PIP)
    def first(x):  # type: ignore[no-untyped-def]
        return x

    @transformer(env=dict(PIP))
    def second(x):  # type: ignore[no-untyped-def]
        return x

    @transformer(env={"env_vars": {"A": "1"}})
    def third(x):  # type: ignore[no-untyped-def]
        return x

    @transformer(env={"uv": ["emoji==2.14.0"]})
    def fourth(x):  # type: ignore[no-untyped-def]
        return x

    @inference_graph
    def g(x):  # type: ignore[no-untyped-def]
        return fourth(third(second(first(x))))

    found = environments(planned(g))
    assert sorted(next(iter(one.options.env or {})) for one in found) == ["pip", "uv"]


def test_of_what_pip_says_the_end_is_told() -> None:
    assert reason(OUTPUT) == (
        "  ERROR: Could not find a version that satisfies the requirement emoji==99\n"
        "  ERROR: No matching distribution found for emoji==99"
    )
    assert reason("Failed to set up runtime environment.\nbad\n") == (
        "  Failed to set up runtime environment.\n  bad"
    )


@pytest.mark.ray
@pytest.mark.slow
def test_an_environment_that_cannot_be_built_ends_the_run(tmp_path: Path) -> None:
    if shutil.which("conda"):
        pytest.skip("conda is installed: its absence is what is tried")
    file = tmp_path / "g.py"
    file.write_text(
        "from umbel import inference_graph, transformer\n"
        "@transformer(env={'conda': {'dependencies': ['pip']}})\n"
        "def own(x):\n"
        "    return x\n"
        "@inference_graph\n"
        "def g(x):\n"
        "    return own(x)\n"
    )
    done = subprocess.run(
        [sys.executable, "-m", "umbel", "run", str(file), "--port", "0", "--no-grpc"],
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    assert done.returncode == 1
    assert "the environment of node 'own' (conda: pip) cannot be built" in done.stderr
    assert "there is no conda on this machine" in done.stderr
