"""TrainedModels become the pool of the service they name."""

from __future__ import annotations

from pathlib import Path

import pytest

from umbel.graph.implementations import ModelPool
from umbel.graph.steps import GraphName
from umbel.k8s.translate import Translated, translate

SERVICE = """
apiVersion: serving.kserve.io/v1beta1
kind: InferenceService
metadata: {name: many, annotations: {umbel.dev/allow-pickle: "true"}}
spec:
  predictor:
    minReplicas: 2
    model:
      modelFormat: {name: sklearn}
      %s
"""
MODEL = """
---
apiVersion: serving.kserve.io/v1alpha1
kind: TrainedModel
metadata: {name: %s}
spec:
  inferenceService: many
  model: {storageUri: "%s", framework: %s, memory: %s}
"""


def read(*parts: str) -> Translated:
    return translate([("/files/many.yaml", "".join(parts))])


def pool(translated: Translated) -> ModelPool:
    graph = translated.program.graphs[GraphName("many")]
    assert graph.interface == "models"
    (node,) = graph.nodes.values()
    assert isinstance(node.code, ModelPool)
    assert node.options.scale is not None
    assert node.options.scale.min == 2
    return node.code


def test_models_of_a_service() -> None:
    translated = read(
        SERVICE % "resources: {limits: {memory: 2Gi}}",
        MODEL % ("one", "s3://bucket/one", "sklearn", "100Mi"),
        MODEL % ("two", "gs://bucket/two", "xgboost", "1Gi"),
    )
    assert not translated.findings
    found = pool(translated)
    assert {name: (file.format, file.uri) for name, file in found.models.items()} == {
        "one": ("sklearn", "s3://bucket/one"),
        "two": ("xgboost", "gs://bucket/two"),
    }
    assert found.budget == 2 << 30
    assert found.declared == {"one": 100 << 20, "two": 1 << 30}
    assert found.models["one"].options == {"allow_pickle": True}


def test_without_a_limit_all_models_fit() -> None:
    models = [MODEL % (f"m{n}", f"s3://bucket/{n}", "sklearn", "1Gi") for n in range(3)]
    assert pool(read(SERVICE % "", *models)).budget == 3 << 30


@pytest.mark.parametrize(
    ("uri", "severity"),
    [("models/one.skops", "warning"), ("file:///models/one", "warning"), ("ftp://x/y", "error")],
)
def test_where_models_may_lie(uri: str, severity: str) -> None:
    translated = read(SERVICE % "", MODEL % ("one", uri, "sklearn", "1Mi"))
    (finding,) = translated.findings
    assert (finding.code, finding.severity) == ("UMB-K402", severity)
    if uri.startswith("models"):
        assert pool(translated).models["one"].uri == str(Path("/files") / uri)


def test_a_service_with_a_model_of_its_own() -> None:
    translated = read(
        SERVICE % "storageUri: s3://bucket/own",
        MODEL % ("one", "s3://bucket/one", "sklearn", "1Mi"),
    )
    assert [finding.code for finding in translated.findings] == ["UMB-K404"]
    assert translated.program.graphs[GraphName("many")].interface == "tensors"


def test_a_format_that_umbel_does_not_have() -> None:
    translated = read(SERVICE % "", MODEL % ("one", "s3://bucket/one", "caffe", "1Mi"))
    assert [finding.code for finding in translated.findings] == ["UMB-K510"]


def test_a_model_whose_service_is_elsewhere_is_told() -> None:
    translated = read(MODEL.lstrip("\n-") % ("one", "s3://bucket/one", "sklearn", "1Mi"))
    assert [finding.code for finding in translated.findings] == ["UMB-K403"]
