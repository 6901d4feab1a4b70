"""``umbel status``: what runs tell of their replicas, and runs that tell nothing."""

from __future__ import annotations

import json
import os
from dataclasses import asdict
from pathlib import Path

import psutil
import pytest

from umbel.cli import main
from umbel.serving import port_claim
from umbel.serving.port_claim import RunRecord
from umbel.serving.replica_states import NotTold, ReplicaState, StatesTold, ask

STATES = [
    ReplicaState("digits", "graph", "HEALTHY", 1, 1, 0, 0),
    ReplicaState("digits", "digits--net", "UPSCALING", 3, 1, 2, 0, "Upscaling.\nfrom 1 to 3"),
]


def record(folder: Path) -> RunRecord:
    started = psutil.Process().create_time()
    return RunRecord(os.getpid(), started, "r", 0, 0.0, str(folder))


def test_what_a_run_tells(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(port_claim, "running", lambda: [(8123, record(tmp_path))])
    with StatesTold(tmp_path, lambda: STATES):
        assert main(["status"]) == 0
        table = capsys.readouterr().out.splitlines()
        assert table[0] == f"port 8123 (pid {os.getpid()})"
        assert table[3].split() == [
            "digits",
            "digits--net",
            "3",
            "1",
            "(+2",
            "starting)",
            "UPSCALING",
        ]
        assert table[4] == "  digits/digits--net: from 1 to 3"
        assert main(["status", "--json", "--port", "8123"]) == 0
        lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
        assert [line["ready"] for line in lines] == [1, 1]
        assert {key: lines[1][key] for key in asdict(STATES[1])} == asdict(STATES[1])
        assert main(["status", "--port", "8124"]) == 1
        assert "no umbel run on port 8124" in capsys.readouterr().err


def test_a_run_that_is_still_starting(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(port_claim, "running", lambda: [(8123, record(tmp_path))])
    assert main(["status"]) == 1
    assert "is it still starting?" in capsys.readouterr().err


def test_a_run_whose_ray_is_gone(tmp_path: Path) -> None:
    def fail() -> list[ReplicaState]:
        raise RuntimeError("no controller")

    with StatesTold(tmp_path, fail), pytest.raises(NotTold, match="no controller"):
        ask(tmp_path)


def test_the_socket_is_gone_afterwards(tmp_path: Path) -> None:
    with StatesTold(tmp_path, lambda: STATES):
        assert ask(tmp_path) == STATES
    assert list(tmp_path.iterdir()) == []
