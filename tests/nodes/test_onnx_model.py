"""ONNX models answer as the model they were made from; their file tells names and types."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper
from skl2onnx import to_onnx
from sklearn.datasets import load_breast_cancer, load_iris
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler

from umbel.graph.decorators import predictor
from umbel.graph.errors import DeclarationError, InvalidInput
from umbel.graph.implementations import ModelFile
from umbel.nodes.onnx_model import OnnxModel, open_model

IRIS = load_iris()
ROWS = IRIS.data.astype(np.float32)


def opened(path: Path, **settings: object) -> OnnxModel:
    return open_model(ModelFile("onnx", str(path), options={"threads": 1, **settings}))


def saved(model: Any, path: Path, **options: Any) -> Path:
    path.write_bytes(to_onnx(model, ROWS[:1], **options).SerializeToString())
    return path


@pytest.fixture(scope="module")
def classifier() -> Any:
    return LogisticRegression(max_iter=1000).fit(ROWS, IRIS.target)


@pytest.fixture(scope="module")
def path(classifier: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    home = tmp_path_factory.mktemp("onnx")
    return saved(classifier, home / "model.onnx", options={"zipmap": False})


def made(tmp_path: Path, nodes: list[Any], inputs: list[Any], outputs: list[Any]) -> Path:
    graph = helper.make_graph(nodes, "made", inputs, outputs)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.save(model, tmp_path / "model.onnx")
    return tmp_path / "model.onnx"


def tensor(name: str, kind: int, *shape: int | str | None) -> Any:
    return helper.make_tensor_value_info(name, kind, list(shape))


def test_several_outputs_by_their_names(classifier: Any, path: Path) -> None:
    result = opened(path.parent).predict(x=ROWS)
    np.testing.assert_array_equal(result["label"], classifier.predict(ROWS))
    np.testing.assert_allclose(
        result["probabilities"], classifier.predict_proba(ROWS), rtol=1e-4, atol=1e-6
    )


def test_one_output_can_be_asked_for(classifier: Any, path: Path) -> None:
    model = opened(path, outputs=["label"])
    np.testing.assert_array_equal(model.predict(x=ROWS), classifier.predict(ROWS))
    assert model.signature is not None
    assert [port.name for port in model.signature.outputs] == ["output"]
    with pytest.raises(DeclarationError, match=r"no outputs \['lable'\]; it has \['label'"):
        opened(path, outputs=["lable"])


def test_a_sequence_of_maps_is_a_list_of_objects(classifier: Any, tmp_path: Path) -> None:
    saved(classifier, tmp_path / "model.onnx")
    result = opened(tmp_path).predict(x=ROWS[:2])
    assert set(result) == {"output_label", "output_probability"}
    assert result["output_probability"][0].keys() == {0, 1, 2}


def test_the_file_tells_its_types(path: Path) -> None:
    signature = opened(path).signature
    assert signature is not None
    assert signature.keyed
    (x,) = signature.inputs
    assert (x.name, x.type.dtype, x.type.shape) == ("x", "float32", ("batch", 4))
    assert {port.name: port.type.dtype for port in signature.outputs} == {
        "label": "int64",
        "probabilities": "float32",
    }


def test_another_data_set_and_a_transformer(tmp_path: Path) -> None:
    cancer = load_breast_cancer().data.astype(np.float32)
    scaler = StandardScaler().fit(cancer)
    (tmp_path / "scaler.onnx").write_bytes(to_onnx(scaler, cancer[:1]).SerializeToString())
    np.testing.assert_allclose(
        opened(tmp_path).predict(x=cancer.tolist()), scaler.transform(cancer), rtol=1e-3, atol=1e-4
    )


def test_several_inputs_are_ports_by_their_names(tmp_path: Path) -> None:
    path = made(
        tmp_path,
        [helper.make_node("Add", ["left", "right"], ["sum"])],
        [tensor("left", TensorProto.FLOAT, "n", 2), tensor("right", TensorProto.FLOAT, "n", 2)],
        [tensor("sum", TensorProto.FLOAT, "n", 2)],
    )
    model = opened(path)
    assert model.signature is not None
    assert [port.name for port in model.signature.inputs] == ["left", "right"]
    ones = np.ones((3, 2))
    assert model.predict(left=ones, right=ones).tolist() == [[2, 2]] * 3
    with pytest.raises(InvalidInput, match=r"expected inputs \['left', 'right'\], got \['left'\]"):
        model.predict(left=ones)
    with pytest.raises(InvalidInput, match="batch = 3"):
        model.predict(left=ones, right=np.ones((2, 2)))


def test_text(tmp_path: Path) -> None:
    path = made(
        tmp_path,
        [helper.make_node("Identity", ["words"], ["same"])],
        [tensor("words", TensorProto.STRING, None)],
        [tensor("same", TensorProto.STRING, None)],
    )
    assert opened(path).predict(x=["käse", "brot"]).tolist() == ["käse", "brot"]


def test_whole_numbers_stay_exact(tmp_path: Path) -> None:
    path = made(
        tmp_path,
        [helper.make_node("Identity", ["ids"], ["same"])],
        [tensor("ids", TensorProto.INT64, "n")],
        [tensor("same", TensorProto.INT64, "n")],
    )
    large = 2**53 + 1
    assert opened(path).predict(x=[large]).tolist() == [large]
    with pytest.raises(InvalidInput, match="whole number"):
        opened(path).predict(x=[0.5])


@pytest.mark.parametrize(
    "rows", [[[1.0]], [1.0, 2.0], "text", [["a", "b", "c", "d"]], [[1e99] * 4]]
)
def test_inputs_that_do_not_fit_are_the_client_s_mistake(path: Path, rows: object) -> None:
    with pytest.raises(InvalidInput, match="x"):
        opened(path).predict(x=rows)


def test_a_broken_file_is_named(path: Path, tmp_path: Path) -> None:
    for content in (b"", b"garbage", path.read_bytes()[:-50]):
        (tmp_path / "model.onnx").write_bytes(content)
        with pytest.raises(DeclarationError, match="no complete ONNX model"):
            opened(tmp_path)


def test_weights_outside_the_folder_are_not_read(tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_bytes(np.ones(4, np.float32).tobytes())
    weights = onnx.TensorProto(
        name="w", data_type=TensorProto.FLOAT, dims=[4], data_location=TensorProto.EXTERNAL
    )
    weights.external_data.add(key="location", value="../secret")
    graph = helper.make_graph(
        [helper.make_node("Add", ["x", "w"], ["y"])],
        "made", [tensor("x", TensorProto.FLOAT, 4)], [tensor("y", TensorProto.FLOAT, 4)], [weights],
    )  # fmt: skip
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    home = tmp_path / "home"
    home.mkdir()
    (home / "model.onnx").write_bytes(model.SerializeToString())
    with pytest.raises(DeclarationError, match="no complete ONNX model"):
        opened(home)


def test_a_device_that_is_not_there(path: Path) -> None:
    with pytest.raises(DeclarationError, match="'device' is one of"):
        opened(path, device="tpu")


def test_a_node_of_an_onnx_file(classifier: Any, path: Path) -> None:
    node = predictor("onnx", uri=str(path), settings={"outputs": ["label"], "threads": 1})
    np.testing.assert_array_equal(node(ROWS), classifier.predict(ROWS))
