"""Annotations on a whole service reach the parts that have a use for them."""

from __future__ import annotations

import importlib
from typing import Any

import pytest

from umbel.graph.errors import DeclarationError
from umbel.graph.implementations import ModelFile
from umbel.graph.steps import GraphName
from umbel.k8s.manifests import RenderOptions, render_texts
from umbel.k8s.translate import translate
from umbel.nodes.model_formats import FORMATS

SERVICE = """
apiVersion: serving.kserve.io/v1beta1
kind: InferenceService
metadata: {{name: iris, annotations: {{{notes}}}}}
spec: {{predictor: {{{more}model: {{modelFormat: {{name: {kind}}}, storageUri: "s3://b/m"}}}}}}
"""


def graph(notes: str, kind: str = "sklearn", more: str = "") -> Any:
    text = SERVICE.format(notes=notes, kind=kind, more=more)
    return translate([("f.yaml", text)]).program.graphs[GraphName("iris")]


@pytest.mark.parametrize("kind", ["sklearn", "xgboost", "lightgbm", "tensorflow"])
def test_code_is_allowed_where_files_may_hold_it(kind: str) -> None:
    (node,) = graph('umbel.dev/allow-pickle: "true"', kind).nodes.values()
    options = node.code.options
    assert options.get("allow_pickle", False) is FORMATS[kind].holds_code


@pytest.mark.parametrize("kind", ["xgboost", "lightgbm", "onnx", "pmml", "catboost"])
def test_other_formats_have_no_such_setting(kind: str) -> None:
    module = importlib.import_module(FORMATS[kind].module)
    with pytest.raises(DeclarationError, match="no setting 'allow_pickle'"):
        module.open_model(ModelFile(kind, "/nowhere/model", "", {"allow_pickle": True}))


@pytest.mark.parametrize(
    ("notes", "more", "expected"),
    [
        ('autoscaling.knative.dev/target: "10"', "", (10.0, "concurrency", 100)),
        (
            'autoscaling.knative.dev/target: "10", autoscaling.knative.dev/metric: rps',
            "maxReplicas: 3, ",
            (10.0, "rps", 3),
        ),
        ('autoscaling.knative.dev/target: "10"', "scaleTarget: 4, ", (4.0, "concurrency", 100)),
        ("autoscaling.knative.dev/target: many", "maxReplicas: 3, ", (None, "concurrency", 3)),
    ],
)
def test_knatives_target_counts_where_the_field_is_empty(
    notes: str, more: str, expected: tuple[float | None, str, int]
) -> None:
    scale = graph(notes, more=more).settings["scale"]
    assert (scale.target, scale.metric, scale.max) == expected


def test_in_the_mode_standard_knative_has_no_say() -> None:
    notes = 'autoscaling.knative.dev/target: "10", serving.kserve.io/deploymentMode: Standard'
    assert graph(notes).settings.get("scale") is None


def test_knatives_other_annotations_are_told() -> None:
    notes = 'autoscaling.knative.dev/window: "60s", autoscaling.knative.dev/target: "1"'
    text = SERVICE.format(notes=notes, kind="sklearn", more="")
    findings = render_texts([("f.yaml", text)], RenderOptions()).findings
    (told,) = [one for one in findings if one.code == "UMB-K710"]
    assert "autoscaling.knative.dev/window" in told.message
    assert told.place.line == 4
