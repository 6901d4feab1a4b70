"""Classes that a YAML file names: what their constructors get, and what is said when they fail."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from umbel.cli import files
from umbel.graph.implementations import PythonClass
from umbel.nodes.loading import NodeNotLoaded, load
from umbel.nodes.request_context import RequestContext, enter

SERVICE = """
apiVersion: serving.kserve.io/v1beta1
kind: InferenceService
metadata: {{name: loan}}
spec:
  predictor: {{}}
  transformer:
    containers:
    - {{name: kserve-container, image: any, command: ["python", "-m", "model"], args: {args}}}
"""
KSERVES = """
class Steps:
    def __init__(self, name: str, predictor_host: str, protocol: str, predictor_protocol: str):
        self.given = (name, predictor_host, protocol, predictor_protocol)
    def preprocess(self, payload, headers=None):
        return self.given
"""


@pytest.mark.parametrize(("args", "protocol"), [([], "v1"), (["--protocol=v2"], "v2")])
async def test_a_class_gets_what_kserves_server_passes(
    tmp_path: Path, args: list[str], protocol: str
) -> None:
    (tmp_path / "steps_as_kserves.py").write_text(KSERVES)
    file = tmp_path / "service.yaml"
    file.write_text(SERVICE.format(args=["steps_as_kserves:Steps", *args]))
    (node,) = [
        node
        for graph in files.load([str(file)]).program
        for node in graph.nodes.values()
        if isinstance(node.code, PythonClass) and node.code.method == "preprocess"
    ]
    context = RequestContext()
    enter(context)
    given = await load(node)({"payload": {}}, context)
    assert given == ("loan", "loan-predictor", protocol, "v1")


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("", "", "a container's image is not run: name its Python class"),
        ("not_there_at_all:Steps", "", "there is no module 'not_there_at_all' in "),
        ("needs_another:Steps", "import other_thing_1", "pip install other_thing_1"),
        ("reads_its_line:Steps", "raise SystemExit(2)", 'under `if __name__ == "__main__":`'),
        ("lacks_it:Steps", "", "lacks_it has no class 'Steps'"),
    ],
)
def test_what_cannot_be_imported_says_what_to_do(
    tmp_path: Path, name: str, text: str, said: str
) -> None:
    if text or name.startswith("lacks"):
        (tmp_path / f"{name.partition(':')[0]}.py").write_text(text)
    file = tmp_path / "service.yaml"
    file.write_text(SERVICE.format(args=["x:Y"]))
    (node, *_) = [
        node
        for graph in files.load([str(file)]).program
        for node in graph.nodes.values()
        if isinstance(node.code, PythonClass)
    ]
    broken = replace(node, code=replace(node.code, reference=name, folder=str(tmp_path)))
    with pytest.raises(NodeNotLoaded) as caught:
        load(broken)
    assert said in str(caught.value)
