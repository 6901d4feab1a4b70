"""The graphs of the benchmarks are sound. Nothing is measured here."""

from __future__ import annotations

from pathlib import Path

import pytest

from umbel.cli import files

BENCHMARKS = Path(__file__).resolve().parents[2] / "benchmarks"
GRAPHS = sorted((BENCHMARKS / "graphs").glob("*.py"))

MODEL_NOT_THERE = "UMB-G240"
"""The models are trained by the first run of the benchmarks."""


def test_there_are_graphs() -> None:
    assert len(GRAPHS) >= 6


@pytest.mark.parametrize("path", GRAPHS, ids=lambda path: path.stem)
def test_a_graph_passes_the_check(path: Path) -> None:
    if path.stem == "image":
        pytest.importorskip("PIL")
    loaded = files.load([str(path)])
    assert [f for f in loaded.findings if f.code != MODEL_NOT_THERE] == []
    assert loaded.program.served
