"""The GPU benchmark says so where there is no GPU, and compares what it says it compares."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from pathlib import Path

import pytest

torch = pytest.importorskip("torch")

pytestmark = pytest.mark.slow  # what it imports takes seconds

SCRIPT = Path(__file__).parents[2] / "benchmarks" / "gpu.py"


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU here")
def test_without_a_gpu_it_measures_nothing_and_says_so(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    spec = importlib.util.spec_from_file_location("gpu_benchmark", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, "gpu_benchmark", module)
    spec.loader.exec_module(module)
    monkeypatch.setattr(sys, "argv", ["gpu.py"])
    assert module.main() == 0
    assert capsys.readouterr().out == "no GPU here: nothing was measured\n"
    first, second, *rest = module.cases("cuda:0")
    assert (first.settings, second.settings) == ({"device": "cpu"},) * 2
    assert all(case.settings["device"] == "cuda:0" for case in rest)
    assert not first.batch
    assert second.batch


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU here")
def test_gpu_and_cpu_agree_in_every_case() -> None:
    """The benchmark ends with an error where answers are further apart than it allows."""
    short = [sys.executable, str(SCRIPT), "--seconds", "1", "--clients", "4"]
    ran = subprocess.run(short, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert ran.stdout.count("|\n") >= 9
