"""Objects of users' classes are closed when their graphs end, shared ones once."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from loopback_server import serving
from umbel import inference_graph, predictor
from umbel.cli import files
from umbel.graph import passes

CODE = """
from pathlib import Path

class Steps:
    def preprocess(self, payload, headers=None):
        return payload
    def postprocess(self, payload, headers=None):
        return payload
    {how}(self):
        with open({log!r}, "a") as file:
            file.write("closed\\n")

class Model:
    def predict(self, payload, headers=None):
        return {{"predictions": payload["instances"]}}
"""
SERVICE = """
apiVersion: serving.kserve.io/v1beta1
kind: InferenceService
metadata: {{name: steps}}
spec:
  predictor:
    containers: [{{name: kserve-container, image: any, command: ["{module}:Model"]}}]
  transformer:
    containers: [{{name: kserve-container, image: any, command: ["{module}:Steps"]}}]
"""


@pytest.mark.parametrize("how", ["def close", "async def close", "async def aclose", "def stop"])
def test_a_class_of_yaml_is_closed_once(tmp_path: Path, how: str) -> None:
    log = tmp_path / "log"
    module = f"closing_{how.replace(' ', '_')}"
    (tmp_path / f"{module}.py").write_text(CODE.format(how=how, log=str(log)))
    file = tmp_path / "service.yaml"
    file.write_text(SERVICE.format(module=module))
    for rounds in (1, 2):  # the second time, a new object is built
        with serving(plan=passes.plan(files.load([str(file)]).program)) as client:
            body = {"instances": [[1]]}
            assert client.post("/steps/v1/models/steps:predict", body).status == 200
            assert not log.exists() or len(log.read_text().splitlines()) == rounds - 1
        assert log.read_text().splitlines() == ["closed"] * rounds


def test_a_class_of_python_may_close_in_its_own_time() -> None:
    told: list[str] = []

    @predictor
    class Held:
        def predict(self, x: Any) -> Any:
            return x

        async def aclose(self) -> None:
            told.append("closed")

    held = Held()

    @inference_graph
    def holding(x: Any) -> Any:
        return held(x)

    with serving(holding) as client:
        assert client.post("/holding", {"instances": [1]}).status == 200
    assert told == ["closed"]
