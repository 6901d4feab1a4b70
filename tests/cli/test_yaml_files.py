"""The verbs that read KServe YAML: what is missing, and folders, however much else is wrong."""

from __future__ import annotations

from pathlib import Path

import pytest

from umbel import cli


def service(name: str, uri: str, format: str = "sklearn") -> str:
    return f"""
apiVersion: serving.kserve.io/v1beta1
kind: InferenceService
metadata: {{name: {name}}}
spec: {{predictor: {{model: {{modelFormat: {{name: {format}}}, storageUri: "{uri}"}}}}}}
"""


CONFIG = """
apiVersion: v1
kind: ConfigMap
metadata: {name: inferenceservice-config, namespace: kserve}
data: {router: "no json"}
"""


def test_a_mistake_in_one_resource_hides_none_in_another(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    documents = [
        service("typo", "gs://bucket/model", "sklern"),
        service("path", "models/nothing"),
        service("url", "file:///nowhere/of%20mine"),
        CONFIG,
    ]
    (tmp_path / "all.yaml").write_text("---".join(documents))
    assert cli.main(["check", str(tmp_path / "all.yaml")]) == 1
    told = capsys.readouterr().err
    assert [told.count(code) for code in ("UMB-K219", "UMB-G240", "UMB-K501")] == [1, 2, 1]
    assert f"is not there: {tmp_path / 'models/nothing'}" in told
    assert "/nowhere/of%20mine" in told


def test_a_file_url_that_is_there(tmp_path: Path) -> None:
    (tmp_path / "my model.skops").write_text("")
    uri = (tmp_path / "my model.skops").as_uri()
    (tmp_path / "a.yaml").write_text(service("a", uri))
    assert cli.main(["check", str(tmp_path / "a.yaml")]) == 0


def test_a_folder_is_its_yaml_and_json_files(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "b.yml").write_text(service("second", "gs://bucket/b"))
    (tmp_path / "a.yaml").write_text(service("first", "gs://bucket/a"))
    (tmp_path / "notes.txt").write_text("none")
    assert cli.main(["check", str(tmp_path)]) == 0
    assert capsys.readouterr().out == "ok: first, second\n"
    (tmp_path / "empty").mkdir()
    assert cli.main(["check", str(tmp_path / "empty")]) == 1
    assert "expected .yaml, .yml or .json files" in capsys.readouterr().err


@pytest.mark.parametrize("verb", [["run", "--local", "--port", "0"], ["show"]])
@pytest.mark.parametrize("text", ["", CONFIG.replace("no json", "{}")])
def test_files_without_anything_to_serve(
    tmp_path: Path, verb: list[str], text: str, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "a.yaml").write_text(text)
    assert cli.main([*verb, str(tmp_path / "a.yaml")]) == 1
    assert "nothing to serve" in capsys.readouterr().err
    assert cli.main(["check", str(tmp_path / "a.yaml")]) == 0
    assert "nothing to serve" in capsys.readouterr().out


def test_show_tells_the_findings_that_leave_nothing_to_draw(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "a.yaml").write_text(service("typo", "gs://bucket/model", "sklern"))
    assert cli.main(["show", str(tmp_path / "a.yaml")]) == 1
    assert "did you mean 'sklearn'?" in capsys.readouterr().err


def test_a_tab_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "a.yaml").write_text("kind: InferenceService\nmetadata:\n\tname: a\n")
    assert cli.main(["check", str(tmp_path / "a.yaml")]) == 1
    assert "indent with spaces" in capsys.readouterr().err
