"""``--pools`` and what a machine cannot give, on the command line."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from umbel.cli import main

GRAPH = """
from umbel import inference_graph, transformer
from umbel.graph.placement import Placement

@transformer(gpus=2, placement=Placement(pool="vision"))
def heavy(x):
    return x

@inference_graph
def g(x):
    return heavy(x)
"""


@pytest.fixture()
def file(tmp_path: Path) -> str:
    (tmp_path / "g.py").write_text(GRAPH)
    return str(tmp_path / "g.py")


def pools(tmp_path: Path, text: str) -> str:
    (tmp_path / "pools.yaml").write_text(text)
    return str(tmp_path / "pools.yaml")


def test_without_a_pools_file_an_unknown_pool_is_a_warning(
    file: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["check", file]) == 0
    told = capsys.readouterr()
    assert "warning UMB-G260: g--heavy: runs in pool 'vision'" in told.err
    assert "--pools pools.yaml" in told.err


def test_a_pool_that_the_file_lacks_is_an_error(
    file: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    known = pools(tmp_path, "pools: {audio: {}}")
    for verb in ("check", "plan"):
        assert main([verb, file, "--pools", known]) == 1
        assert "error UMB-G260" in capsys.readouterr().err


def test_limits_are_held_against_the_plan(
    file: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    known = pools(tmp_path, "pools: {vision: {limits: {gpus: 1}}}")
    assert main(["check", file, "--pools", known, "--json"]) == 1
    (finding,) = json.loads(capsys.readouterr().out)
    assert finding["code"] == "UMB-G261"
    assert finding["place"]["line"] > 0


def test_a_plan_says_what_is_reserved_and_where(
    file: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    known = pools(tmp_path, "pools: {vision: {labels: {rack: a1}, accelerator: T4}}")
    assert main(["plan", file, "--pools", known]) == 0
    told = capsys.readouterr()
    assert "g--heavy: 1 to 1 replicas; each reserves 2 GPU, accelerator T4" in told.out
    assert "runs in pool 'vision', runs where rack=a1" in told.out
    assert told.err == ""


def test_a_broken_pools_file_is_told_with_its_line(
    file: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["plan", file, "--pools", pools(tmp_path, "pools:\n  vision: {gpu: 1}\n")]) == 1
    assert "pools.yaml:2 pools.vision.gpu: error UMB-G263" in capsys.readouterr().err


@pytest.mark.parametrize("label", ["zone", "zone=", "zone=!a", "zone=in(a)", "=a"])
def test_a_label_is_a_key_and_a_value(label: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main(["run", "g.py", "--label", label])
    assert caught.value.code == 2
    assert "expected KEY=VALUE" in capsys.readouterr().err
