"""Waiting with ``watch=True`` prints what KServe's client prints: a row whenever it changes."""

from __future__ import annotations

from typing import Any

import pytest

from umbel.k8s.client import readiness


def seen(ready: str, **status: Any) -> dict[str, Any]:
    found = {"conditions": [{"type": "Ready", "status": ready, "reason": "Deploying"}], **status}
    return {"metadata": {"name": "iris", "generation": 2}, "status": found}


def test_a_row_for_each_change(capsys: pytest.CaptureFixture[str]) -> None:
    traffic = [{"percent": 80, "latestRevision": False}, {"percent": 20, "latestRevision": True}]
    done = {"components": {"predictor": {"traffic": traffic}}, "url": "http://iris.example"}
    states = [
        {"metadata": {"name": "iris"}},
        seen("Unknown"),
        seen("Unknown"),
        seen("True", **done),
    ]
    reads = iter(states)
    readiness.wait(lambda: next(reads), "iris", 5, 0.01, True)
    rows = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert rows == [
        ["NAME", "READY", "PREV", "LATEST", "URL"],
        ["iris", "Unknown", "0", "0"],
        ["iris", "Unknown", "0", "0"],
        ["iris", "True", "80", "20", "http://iris.example"],
    ]


def test_an_expected_generation_must_have_been_seen() -> None:
    assert readiness.is_ready(seen("True"))
    assert not readiness.is_ready(seen("True"), 2)
    assert readiness.is_ready(seen("True", observedGeneration=2), 2)
    assert not readiness.is_ready(seen("True", observedGeneration=2), 3)
