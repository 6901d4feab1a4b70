"""The verbs that read graph files and print what they found."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from umbel import cli

GRAPHS = Path(__file__).parents[1] / "graphs"
ARITHMETIC = str(GRAPHS / "arithmetic.py")
MISTAKES = GRAPHS / "eight_mistakes.py"


def umbel(*words: str, folder: Path | None = None) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "umbel", *words],
        capture_output=True,
        text=True,
        timeout=60,
        cwd=folder,
        check=False,
    )


def marked_lines(file: Path) -> list[int]:
    lines = file.read_text().splitlines()
    return [number for number, line in enumerate(lines, 1) if line.endswith("# mistake")]


def test_eight_mistakes_give_eight_findings_each_with_file_line_and_fix() -> None:
    done = umbel("check", str(MISTAKES))
    assert done.returncode == 1
    assert done.stdout == ""
    heads = [line for line in done.stderr.splitlines() if line.startswith(str(MISTAKES))]
    fixes = [line for line in done.stderr.splitlines() if line.startswith("    fix: ")]
    found = [int(line.split(":")[1].split()[0]) for line in heads if ": error " in line]
    assert sorted(found) == marked_lines(MISTAKES)
    assert len(found) == 8
    assert len({line.split(" error ")[1].split(":")[0] for line in heads if "error" in line}) == 8
    assert len(fixes) >= 7
    assert "Traceback" not in done.stderr


def test_findings_as_json() -> None:
    done = umbel("check", "--json", str(MISTAKES))
    assert done.returncode == 1
    assert done.stderr == ""
    findings = json.loads(done.stdout)
    errors = [f for f in findings if f["severity"] == "error"]
    assert sorted(f["place"]["line"] for f in errors) == marked_lines(MISTAKES)
    assert all(f["place"]["file"] == str(MISTAKES) for f in errors)
    assert all(f["code"].startswith("UMB-G") and f["message"] for f in findings)


def test_a_sound_file_is_ok(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["check", ARITHMETIC]) == 0
    assert capsys.readouterr().out == "ok: chain, branch, is_loaded, wait\n"
    assert cli.main(["check", f"{ARITHMETIC}:branch"]) == 0
    assert capsys.readouterr().out == "ok: branch\n"
    assert cli.main(["check", ARITHMETIC, "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == []


def test_graphs_of_one_name_in_two_files(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["check", ARITHMETIC, ARITHMETIC]) == 0
    capsys.readouterr()
    other = str(GRAPHS / "same_names.py")
    assert cli.main(["check", ARITHMETIC, other]) == 1
    told = capsys.readouterr().err
    assert told.count("UMB-G202") == 1
    assert f"{other}:6" in told
    assert f"two graphs are called 'chain': the other is at {ARITHMETIC}:" in told


@pytest.mark.parametrize(
    ("file", "words"),
    [
        (f"{ARITHMETIC}:nothing", "no graph 'nothing'; there are: branch, chain, is_loaded, wait"),
        ("absent.py", "absent.py: no such file"),
        ("absent.yaml", "absent.yaml: cannot be read"),
        ("graph.txt", "graph.txt: a FILE is path.py, path.py:name"),
        (str(Path(__file__)), "declares no graph; put @inference_graph above a function"),
    ],
)
def test_a_file_that_cannot_be_read_is_named(
    file: str, words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(["check", file]) == 1
    told = capsys.readouterr()
    assert words in told.err
    assert told.err.startswith("error: ")
    assert told.out == ""


def test_a_file_that_does_not_import_shows_the_users_traceback_only() -> None:
    file = GRAPHS / "does_not_import.py"
    done = umbel("check", str(file))
    assert done.returncode == 1
    frames = [line for line in done.stderr.splitlines() if line.startswith('  File "')]
    assert [frame.split(", ")[0] for frame in frames] == [f'  File "{file}"'] * 2
    assert "KeyError: 'limit'" in done.stderr
    assert done.stderr.splitlines()[-1].startswith(f"error: {file} does not run: KeyError")


def test_a_mistake_found_by_a_decorator_shows_no_frame_of_umbel() -> None:
    file = GRAPHS / "badly_decorated.py"
    done = umbel("check", str(file))
    assert done.returncode == 1
    frames = [line for line in done.stderr.splitlines() if line.startswith('  File "')]
    assert [frame.split(", ")[0] for frame in frames] == [f'  File "{file}"']
    assert "class Silent needs a method predict or __call__" in done.stderr


def test_a_file_with_a_syntax_error(tmp_path: Path) -> None:
    file = tmp_path / "broken.py"
    file.write_text("x = (\n")
    done = umbel("check", str(file))
    assert done.returncode == 1
    assert f'File "{file}", line 1' in done.stderr
    assert "SyntaxError" in done.stderr
    assert "importlib" not in done.stderr
    assert "umbel/" not in done.stderr.replace(str(tmp_path), "")


def test_two_files_of_one_name_and_a_module_beside_the_file(tmp_path: Path) -> None:
    for name in ("a", "b"):
        folder = tmp_path / name
        folder.mkdir()
        (folder / f"beside_{name}.py").write_text("VALUE = 1\n")
        (folder / "graph.py").write_text(
            f"from beside_{name} import VALUE\nfrom umbel import inference_graph\n"
            f"@inference_graph\ndef {name}(x):\n    return x\n"
        )
    done = umbel("check", "a/graph.py", "b/graph.py", folder=tmp_path)
    assert (done.returncode, done.stdout) == (0, "ok: a, b\n")


@pytest.mark.parametrize("form", ["tree", "mermaid", "dot", "json"])
def test_show(form: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["show", f"{ARITHMETIC}:branch", "--as", form]) == 0
    picture = capsys.readouterr().out
    for word in ("branch", "double", "fails", "less_one", "otherwise", "answer"):
        assert word in picture or (form, word) == ("tree", "answer")


def test_a_graph_with_findings_is_drawn_all_the_same() -> None:
    done = umbel("show", str(MISTAKES))
    assert done.returncode == 0
    assert "narrowed" in done.stdout


def test_plan(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["plan", f"{ARITHMETIC}:chain"]) == 0
    text = capsys.readouterr().out
    assert "chain: double, less_one in the graph's own replicas" in text
    assert "asks for nothing of its own" in text
    assert cli.main(["plan", "--json", f"{ARITHMETIC}:chain"]) == 0
    data = json.loads(capsys.readouterr().out)
    assert data["graphs"] == ["chain"]
    assert data["deployments"] == []
    assert cli.main(["plan", str(MISTAKES)]) == 1


def test_wrong_usage_is_a_2_and_help_a_0(capsys: pytest.CaptureFixture[str]) -> None:
    for words, code in ((["check"], 2), (["bake"], 2), (["--help"], 0), (["--version"], 0)):
        with pytest.raises(SystemExit) as ended:
            cli.main(words)
        assert ended.value.code == code
