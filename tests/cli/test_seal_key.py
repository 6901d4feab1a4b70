"""``umbel k8s seal-key``: a key, and the steps of replacing it."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest
import yaml

from umbel.cli import main
from umbel.nodes.storage.sealed_values import SealKeys


def told(capsys: pytest.CaptureFixture[str], *words: str) -> str:
    assert main(["k8s", "seal-key", *words]) == 0
    return capsys.readouterr().out


def test_a_key_and_its_replacement(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    file = tmp_path / "keys"
    file.write_text(told(capsys))
    (old,) = SealKeys.read(file).keys
    texts = [told(capsys, "--add-to", str(file))]
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    first, new = SealKeys.read(file).keys
    assert first == old
    texts.append(told(capsys, "--promote", str(file)))
    assert SealKeys.read(file).keys == (new, old)
    texts += [told(capsys, "--retire", str(file)), told(capsys, "--ids", str(file))]
    assert SealKeys.read(file).keys == (new,)
    assert texts[-1] == f"{new.id}\n"
    for text in texts:  # what was there before is never printed
        assert not [one for one in (old, new) if one.line[-20:] in text]
    assert list(tmp_path.iterdir()) == [file]


def test_a_secret(capsys: pytest.CaptureFixture[str]) -> None:
    made = yaml.safe_load(told(capsys, "--secret", "umbel-seal", "--namespace", "umbel-system"))
    assert made["metadata"] == {"name": "umbel-seal", "namespace": "umbel-system"}
    assert len(SealKeys.parse(made["stringData"]["keys"], "Secret").keys) == 1


@pytest.mark.parametrize("flag", ["--add-to", "--promote", "--retire", "--ids"])
def test_a_file_that_holds_none(
    flag: str, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    file = tmp_path / "keys"
    file.write_text("password\n")
    assert main(["k8s", "seal-key", flag, str(file)]) == 1
    text = capsys.readouterr().err
    assert "line 1 is no key" in text
    assert "password" not in text
    assert file.read_text() == "password\n"
