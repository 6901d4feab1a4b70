"""What a class holds is let go where it ran, when the graph ends."""

from __future__ import annotations

from pathlib import Path

import pytest

from simulated_cluster import served

pytest.importorskip("ray.serve")
pytestmark = [pytest.mark.ray, pytest.mark.slow]

FILE = Path(__file__).parents[2] / "graphs" / "closed_class.py"


def test_each_is_closed_once_in_its_own_process(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = tmp_path / "log"
    monkeypatch.setenv("UMBEL_TEST_LOG", str(log))
    with served(FILE, ["held"], "--replicas", "1") as client:
        assert client.post("/held", {"x": 1}).status == 200
        assert not log.exists()
    closed = sorted(line.split() for line in log.read_text().splitlines())
    assert [name for name, _ in closed] == ["apart", "fused"]
    assert closed[0][1] != closed[1][1]
