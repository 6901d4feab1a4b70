"""Transformers of InferenceServices: ready-made classes, Feast's arguments, none but a
transformer, and the status of what stands behind."""

from __future__ import annotations

import pytest

from loopback_server import Client, serving
from umbel.cli import files
from umbel.graph import passes
from umbel.graph.implementations import PythonClass
from umbel.k8s.translate import translate

SERVICE = """
apiVersion: serving.kserve.io/v1beta1
kind: InferenceService
metadata: {{name: {name}}}
spec:
  predictor: {predictor}
  transformer:
    containers:
    - name: kserve-container
      image: kserve/some-transformer:latest
      command: {command}
      args: {args}
"""
FEAST = [
    "--feast_serving_url",
    "feast:6566",
    "--entity_id_name",
    "driver_id",
    "--feature_refs",
    "driver_hourly_stats:conv_rate",
    "driver_hourly_stats:acc_rate",
    "--predictor_host",
    "p.default",
    "--protocol=v2",
]

CODE = """
from umbel import InvalidInput


class Model:
    def predict(self, payload, headers=None):
        rows = payload["instances"]
        if rows == ["refuse"]:
            raise InvalidInput("not this one")
        return {"predictions": [[0.25, row["doubled"]] for row in rows]}


class Doubled:
    async def preprocess(self, payload, headers=None):
        return {"instances": [row if row == "refuse" else {"doubled": 2 * row}
                              for row in payload["instances"]]}

    def postprocess(self, payload, headers=None):
        return {**payload, "by": headers.get("x-user", "nobody")}
"""


def service(name: str, predictor: str, command: list[str], args: list[str]) -> str:
    return SERVICE.format(name=name, predictor=predictor, command=command, args=args)


def test_kserves_feast_arguments_mean_umbels_class_whatever_the_image() -> None:
    text = service("drivers", "{sklearn: {storageUri: 'gs://x/y'}}", ["python"], FEAST)
    found = translate([("s.yaml", text)])
    (code,) = {
        node.code.reference: node.code
        for graph in found.program
        for node in graph.nodes.values()
        if isinstance(node.code, PythonClass)
    }.values()
    assert code.reference == "umbel.transformers.feast_payload:FeastTransformer"
    assert code.kwargs["feature_refs"] == FEAST[5:7]
    assert code.kwargs["entity_id_name"] == "driver_id"
    assert code.kwargs["protocol"] == "v2"
    assert not [one for one in found.findings if one.code == "UMB-K512"]


def test_a_transformer_alone_is_a_warning_only() -> None:
    text = service("alone", "{}", ["own:Class"], [])
    (finding,) = [one for one in translate([("s.yaml", text)]).findings if "K210" in one.code]
    assert (finding.severity, "serves the transformer alone" in finding.message) == (
        "warning",
        True,
    )


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Client:
    folder = tmp_path_factory.mktemp("services")
    (folder / "own_classes_of_a_test.py").write_text(CODE)
    model = '{containers: [{image: x, command: ["own_classes_of_a_test:Model"]}]}'
    labels = ["--labels", "cat", "dog", "--top_k", "1"]
    ready = ["umbel.transformers.payload_steps:LabelTransformer"]
    file = folder / "services.yaml"
    file.write_text(
        "---".join(
            [
                service("whole", model, ["own_classes_of_a_test:Doubled"], []),
                service("alone", "{}", ready, labels),
            ]
        )
    )
    with serving(plan=passes.plan(files.load([str(file)]).program)) as found:
        yield found


def test_preprocess_predict_postprocess(client: Client) -> None:
    path = "/whole/v1/models/whole:predict"
    answer = client.post(path, {"instances": [1, 4]}, x_user="ada")
    assert answer.json == {"predictions": [[0.25, 2], [0.25, 8]], "by": "ada"}


def test_the_predictors_status_is_kept(client: Client) -> None:
    answer = client.post("/whole/v1/models/whole:predict", {"instances": ["refuse"]})
    assert (answer.status, answer.json) == (400, {"error": "not this one"})


def test_a_transformer_alone_answers(client: Client) -> None:
    path = "/alone/v1/models/alone:predict"
    answer = client.post(path, {"instances": [], "predictions": [[0.1, 0.9]]})
    assert answer.json == {"predictions": [[{"label": "dog", "score": 0.9}]]}
