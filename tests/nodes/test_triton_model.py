"""Triton's model repositories: the configuration's names, whatever format lies inside."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("onnxruntime")
import onnx
import torch
from onnx import TensorProto, helper

from loopback_server import serving
from umbel.graph import passes
from umbel.graph.errors import DeclarationError
from umbel.graph.implementations import ModelFile
from umbel.graph.inference import infer
from umbel.k8s.translate import translate
from umbel.nodes.loaded import UnfitInput
from umbel.nodes.triton_config import read_config
from umbel.nodes.triton_model import open_model

pytestmark = pytest.mark.slow  # what it imports takes seconds

CONFIG = """
# what KServe's sample has, and a little of everything that the text form allows
name: "sums"
platform: "PLATFORM"
max_batch_size: 8
input [
  { name: "LEFT" data_type: TYPE_FP32 dims: [ 3 ] },
  { name: 'RIGHT', data_type: TYPE_FP32; dims: 3 }
]
output < name: "OUTPUT" "__0" data_type: TYPE_FP32 dims: [ -1 ] >
instance_group [ { kind: KIND_CPU, count: 1 } ]
parameters: { key: "EXECUTION_ENV_PATH", value: { string_value: "a\\"b" } }
"""
PAIR = {"LEFT": np.ones((2, 3), "float32"), "RIGHT": np.full((2, 3), 2, "float32")}


class Sum(torch.nn.Module):
    def __init__(self, factor: float) -> None:
        super().__init__()
        self.factor = torch.nn.Parameter(torch.tensor(factor))

    def forward(self, a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
        return (a + b) * self.factor


def saved_torch(folder: Path, factor: float = 1.0) -> None:
    folder.mkdir(parents=True)
    torch.jit.script(Sum(factor)).save(str(folder / "model.pt"))


def saved_onnx(folder: Path, factor: float = 1.0) -> None:
    folder.mkdir(parents=True)
    pair = [
        helper.make_tensor_value_info(name, TensorProto.FLOAT, ["N", 3])
        for name in ("RIGHT", "LEFT")
    ]
    scale = helper.make_tensor("scale", TensorProto.FLOAT, [], [factor])
    nodes = [
        helper.make_node("Add", ["LEFT", "RIGHT"], ["sum"]),
        helper.make_node("Mul", ["sum", "scale"], ["OUTPUT__0"]),
    ]
    out = helper.make_tensor_value_info("OUTPUT__0", TensorProto.FLOAT, ["N", 3])
    graph = helper.make_graph(nodes, "g", pair, [out], [scale])
    opset = helper.make_opsetid("", 17)
    onnx.save(helper.make_model(graph, opset_imports=[opset], ir_version=8), folder / "model.onnx")


KINDS = {"pytorch_libtorch": saved_torch, "onnxruntime_onnx": saved_onnx}


def repository(home: Path, platform: str, versions: dict[int, float]) -> Path:
    for version, factor in versions.items():
        KINDS[platform](home / "sums" / str(version), factor)
    (home / "sums" / "config.pbtxt").write_text(CONFIG.replace("PLATFORM", platform))
    return home


def opened(path: Path, **options: object) -> Any:
    return open_model(ModelFile("triton", str(path), options=options))


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.parametrize("platform", KINDS)
def test_the_newest_version_by_the_configurations_names(tmp_path: Path, platform: str) -> None:
    home = repository(tmp_path, platform, {1: 1.0, 2: 10.0})
    for place in (home, home / "sums"):
        model = opened(place)
        assert [port.name for port in model.signature.inputs] == ["LEFT", "RIGHT"]
        assert model.signature.inputs[0].type.shape == ("batch", 3)
        (answer,) = model.predict(**PAIR).items()
        assert answer[0] == "OUTPUT__0"
        np.testing.assert_array_equal(answer[1], np.full((2, 3), 30, "float32"))
    with pytest.raises(UnfitInput, match="LEFT"):
        model.predict(LEFT=np.ones((2, 5), "float32"), RIGHT=PAIR["RIGHT"])


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_the_policy_names_versions(tmp_path: Path) -> None:
    home = repository(tmp_path, "pytorch_libtorch", {1: 1.0, 2: 10.0})
    config = home / "sums" / "config.pbtxt"
    config.write_text(config.read_text() + "version_policy: { specific: { versions: [1] } }\n")
    assert opened(home).predict(**PAIR)["OUTPUT__0"][0, 0] == 3
    config.write_text(config.read_text() + "version_policy: { specific: { versions: 7 } }\n")
    (home / "sums" / "1").rename(home / "sums" / "3")
    with pytest.raises(DeclarationError, match="no version of 1, 7"):
        opened(home)


def test_without_a_configuration_the_file_speaks_for_itself(tmp_path: Path) -> None:
    saved_onnx(tmp_path / "sums" / "1")
    model = opened(tmp_path)
    assert {port.name for port in model.signature.inputs} == {"LEFT", "RIGHT"}


def test_several_models_and_none_say_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(DeclarationError, match="no Triton model repository"):
        opened(tmp_path)
    saved_onnx(tmp_path / "a" / "1")
    saved_onnx(tmp_path / "b" / "1")
    with pytest.raises(DeclarationError, match="holds 2 models: .*add the name of one"):
        opened(tmp_path)
    assert opened(tmp_path / "b").predict(**PAIR) is not None


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('platform: "tensorrt_plan"', "does not run Triton's 'tensorrt_plan'"),
        ('backend: "python"', "does not run Triton's 'python'"),
        ("input [ { name: 'LEFT' } ] output { name: 'o' }", "names the inputs"),
        ("input { ", "too early"),
        ("name: }", ":1: expected a value"),
        ("\n\n?", ":3: unexpected '\\?'"),
        ("[", "expected a field's name"),
    ],
)
def test_a_wrong_configuration_is_told_with_its_place(tmp_path: Path, text: str, said: str) -> None:
    saved_onnx(tmp_path / "sums" / "1")
    (tmp_path / "sums" / "config.pbtxt").write_text(text)
    with pytest.raises(DeclarationError, match=said):
        opened(tmp_path)


def test_strings_in_parts_and_escapes() -> None:
    config = read_config(CONFIG, "config.pbtxt")
    assert [one.name for one in config.outputs] == ["OUTPUT__0"]
    assert config.outputs[0].dims == (-1, -1)
    assert config.inputs[1].dims == (-1, 3)


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_a_triton_service_answers_v2_with_tritons_names(tmp_path: Path) -> None:
    repository(tmp_path / "models", "pytorch_libtorch", {1: 1.0})
    text = """
apiVersion: serving.kserve.io/v1beta1
kind: InferenceService
metadata: {name: sums}
spec: {predictor: {triton: {storageUri: models, runtimeVersion: 23.05-py3}}}
"""
    found = translate([(str(tmp_path / "a.yaml"), text)])
    assert not found.findings
    with serving(plan=passes.plan(infer(found.program))) as client:
        metadata = client.get("/sums/v2/models/sums").json
        assert [one["name"] for one in metadata["inputs"]] == ["LEFT", "RIGHT"]
        assert metadata["inputs"][0]["shape"] == [-1, 3]
        inputs = [
            {"name": name, "shape": [2, 3], "datatype": "FP32", "data": value.tolist()}
            for name, value in PAIR.items()
        ]
        answer = client.post("/sums/v2/models/sums/infer", {"inputs": inputs}).json
        (output,) = answer["outputs"]
        assert (output["name"], output["shape"]) == ("OUTPUT__0", [2, 3])
        assert output["data"] == [3.0] * 6
        wrong = client.post("/sums/v2/models/sums/infer", {"inputs": inputs[:1]})
        assert wrong.status == 400
        assert "RIGHT" in wrong.error
