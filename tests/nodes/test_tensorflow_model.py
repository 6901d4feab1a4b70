"""SavedModels answer as TensorFlow itself; files that reach out need permission."""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.datasets import load_digits

from loopback_server import serving
from umbel import inference_graph, predictor
from umbel.graph.errors import DeclarationError, InvalidInput
from umbel.graph.implementations import ModelFile

tf: Any = pytest.importorskip(
    "tensorflow", reason="TensorFlow is not installed: pip install 'umbel[tensorflow]'"
)
open_model: Any = importlib.import_module("umbel.nodes.tensorflow_model").open_model

DIGITS = load_digits()
ROWS = (DIGITS.data / 16).astype(np.float32)

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore")]


class Softmax(tf.Module):  # type: ignore[misc]
    """Multinomial regression, trained by hand."""

    def __init__(self) -> None:
        super().__init__()
        self.weights = tf.Variable(tf.zeros([64, 10]))
        self.bias = tf.Variable(tf.zeros([10]))

    def logits(self, x: Any) -> Any:
        return x @ self.weights + self.bias

    def train(self) -> None:
        for _ in range(60):
            with tf.GradientTape() as tape:
                loss = tf.reduce_mean(
                    tf.nn.sparse_softmax_cross_entropy_with_logits(DIGITS.target, self.logits(ROWS))
                )
            for variable, slope in zip(
                self.trainable_variables, tape.gradient(loss, self.trainable_variables), strict=True
            ):
                variable.assign_sub(2.0 * slope)

    @tf.function(input_signature=[tf.TensorSpec([None, 64], tf.float32, name="pixels")])
    def probabilities(self, pixels: Any) -> Any:
        return {"probabilities": tf.nn.softmax(self.logits(pixels))}

    @tf.function(
        input_signature=[
            tf.TensorSpec([None, 64], tf.float32, name="pixels"),
            tf.TensorSpec([None], tf.string, name="name"),
        ]
    )
    def named(self, pixels: Any, name: Any) -> Any:
        return {"digit": tf.argmax(self.logits(pixels), axis=1), "upper": tf.strings.upper(name)}


@pytest.fixture(scope="module")
def model() -> Softmax:
    made = Softmax()
    made.train()
    return made


@pytest.fixture(scope="module")
def folder(model: Softmax, tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("models") / "digits"
    for version in ("2", "10"):
        tf.saved_model.save(
            model,
            str(place / version),
            signatures={"serving_default": model.probabilities, "named": model.named},
        )
    return place


def opened(folder: Path, **settings: object) -> Any:
    return open_model(ModelFile("tensorflow", str(folder), options=settings))


def test_it_answers_as_tensorflow_and_tells_its_signature(model: Softmax, folder: Path) -> None:
    runtime = opened(folder)
    expected = model.probabilities(ROWS)["probabilities"].numpy()
    assert (expected.argmax(axis=1) == DIGITS.target).mean() > 0.85
    np.testing.assert_allclose(runtime.predict(x=ROWS), expected, atol=1e-6)
    np.testing.assert_allclose(runtime.predict(x=ROWS[:2].tolist()), expected[:2], atol=1e-6)
    assert runtime.signature is not None
    (port,) = runtime.signature.inputs
    assert (port.name, port.type.dtype, port.type.shape) == ("x", "float32", ("batch", 64))
    (answer,) = runtime.signature.outputs
    assert (answer.type.dtype, answer.type.shape) == ("float32", ("batch", 10))


def test_several_inputs_and_outputs_and_strings(folder: Path) -> None:
    runtime = opened(folder / "2", signature="named")
    answer = runtime.predict(pixels=ROWS[:3], name=["ä", "b", "c"])
    assert set(answer) == {"digit", "upper"}
    assert answer["upper"].tolist()[1:] == [b"B", b"C"]
    assert (
        opened(folder, signature="named", outputs=["digit"])
        .predict(pixels=ROWS[:3], name=["a", "b", "c"])
        .dtype
        == np.int64
    )


def test_over_both_protocols(model: Softmax, folder: Path) -> None:
    node = predictor("tensorflow", uri=str(folder))

    @inference_graph
    def digits(x):
        return node(x)

    tensor = {"name": "x", "shape": [3, 64], "datatype": "FP32", "data": ROWS[:3].ravel().tolist()}
    with serving(digits) as client:
        v1 = client.post("/digits/v1/models/digits:predict", {"instances": ROWS[:3].tolist()})
        v2 = client.post("/digits/v2/models/digits/infer", {"inputs": [tensor]})
        about = client.get("/digits/v2/models/digits")
        wrong = client.post("/digits/v1/models/digits:predict", {"instances": [[1.0]]})
    expected = model.probabilities(ROWS[:3])["probabilities"].numpy()
    np.testing.assert_allclose(v1.json["predictions"], expected, atol=1e-6)
    np.testing.assert_allclose(
        np.reshape(v2.json["outputs"][0]["data"], (3, 10)), expected, atol=1e-6
    )
    assert about.json["inputs"] == [{"name": "x", "datatype": "FP32", "shape": [-1, 64]}]
    assert wrong.status == 400


def test_wrong_inputs_are_the_caller_s_mistake(folder: Path) -> None:
    runtime = opened(folder)
    for rows in (ROWS[:, :63], [["a"] * 64], ROWS[0]):
        with pytest.raises(InvalidInput):
            runtime.predict(x=rows)


def test_one_that_writes_files_needs_permission(tmp_path: Path) -> None:
    class Writes(tf.Module):  # type: ignore[misc]
        @tf.function(input_signature=[tf.TensorSpec([None], tf.float32)])
        def run(self, x: Any) -> Any:
            tf.io.write_file(str(tmp_path / "written"), "here")
            return {"y": x + 1}

    bad = Writes()
    tf.saved_model.save(bad, str(tmp_path / "m"), signatures={"serving_default": bad.run})
    with pytest.raises(DeclarationError, match=r"reaches beyond its tensors \(WriteFile\)"):
        opened(tmp_path / "m")
    assert opened(tmp_path / "m", allow_pickle=True).predict(x=[1.0]).tolist() == [2.0]


def test_what_is_no_saved_model(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(DeclarationError, match="no saved_model.pb"):
        opened(tmp_path / "empty")
    with pytest.raises(DeclarationError, match="has no signature 'other'; it has"):
        opened(folder, signature="other")
    with pytest.raises(DeclarationError, match="has no outputs"):
        opened(folder, outputs=["nothing"])
    whole = (folder / "2" / "saved_model.pb").read_bytes()
    (tmp_path / "empty" / "saved_model.pb").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(DeclarationError, match="no complete SavedModel"):
        opened(tmp_path / "empty")
    (tmp_path / "empty" / "saved_model.pb").write_bytes(whole)  # the variables are missing
    with pytest.raises(DeclarationError, match="no complete SavedModel"):
        opened(tmp_path / "empty")
