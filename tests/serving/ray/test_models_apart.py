"""A model in replicas of its own: what it tells of itself is what the graph's clients see."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest
from sklearn.datasets import load_iris
from sklearn.linear_model import LogisticRegression

from free_ports import free_port
from loopback_server import Client
from umbel_run import umbel_run

pytest.importorskip("ray.serve")
skl2onnx = pytest.importorskip("skl2onnx")
pytestmark = [pytest.mark.ray]

X, Y = load_iris(return_X_y=True)
MODEL = LogisticRegression(max_iter=500).fit(X, Y)
SERVICE = """
apiVersion: serving.kserve.io/v1beta1
kind: InferenceService
metadata: {{name: iris, annotations: {{umbel.dev/fuse: never}}}}
spec: {{predictor: {{onnx: {{storageUri: "{uri}"}}}}}}
"""


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Client]:
    folder = tmp_path_factory.mktemp("iris")
    rows = X[:1].astype(np.float32)
    made = skl2onnx.to_onnx(MODEL, rows, options={"zipmap": False})
    (folder / "model.onnx").write_bytes(made.SerializeToString())
    file = folder / "iris.yaml"
    file.write_text(SERVICE.format(uri=(folder / "model.onnx").as_uri()))
    port = free_port()
    with umbel_run([file], "--port", str(port), "--no-grpc", urls=1) as told:
        assert told == [f"ready http://127.0.0.1:{port}/iris"]
        yield Client(port)


def test_metadata_is_what_the_models_file_tells(client: Client) -> None:
    told = client.get("/iris/v2/models/iris").json
    assert told["inputs"] == [{"name": "x", "datatype": "FP32", "shape": [-1, 4]}]
    assert [one["name"] for one in told["outputs"]] == ["label", "probabilities"]
    assert told["outputs"][1]["shape"] == [-1, 3]

    rows = X[::30]
    x = {"name": "x", "datatype": "FP32", "shape": list(rows.shape), "data": rows.ravel().tolist()}
    label, chances = client.post("/iris/v2/models/iris/infer", {"inputs": [x]}).json["outputs"]
    assert label["data"] == MODEL.predict(rows).tolist()
    np.testing.assert_allclose(
        np.reshape(chances["data"], chances["shape"]), MODEL.predict_proba(rows), atol=1e-5
    )
