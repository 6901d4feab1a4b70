"""Every field of KServe's resources has a word on how it is served, and a warning where not."""

from __future__ import annotations

from typing import Any

import pytest

from umbel.k8s.manifests import RenderOptions, render_texts, unsupported
from umbel.k8s.manifests.field_support import BASES, own_fields, support_of, types
from umbel.k8s.resources import load
from umbel.k8s.resources.field_types import fields_of


@pytest.mark.parametrize("type_name", types())
def test_the_table_has_the_fields_of_the_lists(type_name: str) -> None:
    assert own_fields(type_name)
    for field in own_fields(type_name):
        found = support_of(type_name, field)
        assert found is not None, field
        assert found.level == "same" or found.words
    for base in BASES.get(type_name, ()):
        assert set(fields_of(base)) <= set(fields_of(type_name))


SERVICE = """
apiVersion: serving.kserve.io/v1beta1
kind: InferenceService
metadata: {{name: iris}}
spec:
  predictor:
    {more}
    model: {{modelFormat: {{name: sklearn}}, {inner}}}
"""


def places(text: str) -> list[str]:
    found = unsupported(load([("f.yaml", text)]))
    assert all(one.severity == "warning" and one.code == "UMB-K710" for one in found)
    assert all(one.place.line > 0 for one in found)
    return [one.place.path for one in found]


@pytest.mark.parametrize(
    ("more", "inner", "expected"),
    [
        ("", "", []),
        ("", "protocolVersion: v2", []),
        ("minReplicas: 1", "livenessProbe: {tcpSocket: {port: 1}}", []),
        (
            "logger: {mode: all, url: 'http://x', batchSize: 3}",
            "workingDir: /x",
            ["spec.predictor.logger.batchSize", "spec.predictor.model.workingDir"],
        ),
        ("hostNetwork: true", "", ["spec.predictor.hostNetwork"]),
        ("batcher: {maxBatchSize: 2, timeout: 3}", "", []),  # KServe does not use it either
        (
            "storageUris: [{uri: 's3://b/a', mountPath: /mnt/models/a}, {uri: 's3://b/c'}]",
            "",
            [],  # the model runs in its container
        ),
        (
            "initContainers: [{name: a, image: b, tty: true}]",
            "",
            ["spec.predictor.initContainers"],
        ),
    ],
)
def test_each_field_without_effect_is_told_once(more: str, inner: str, expected: list[str]) -> None:
    text = SERVICE.format(more=more, inner=inner)
    assert places(text) == expected
    rendered = render_texts([("f.yaml", text)], RenderOptions())
    told = [one.place.path for one in rendered.findings if one.code == "UMB-K710"]
    assert told == expected
    assert rendered.objects


@pytest.mark.parametrize(("asked", "told"), [("grpc-v2", 0), ("grpc-v1", 1)])
def test_the_grpc_of_tensorflow_serving_is_not_promised(asked: str, told: int) -> None:
    block = f"triton: {{protocolVersion: {asked}, storageUri: 's3://b/iris'}}"
    text = SERVICE.replace("    model: {{modelFormat: {{name: sklearn}}, {inner}}}\n", "")
    expected = ["spec.predictor.triton.protocolVersion"] * told
    assert places(text.format(more=block)) == expected


def test_a_graph_is_looked_at_too() -> None:
    graph = """
apiVersion: serving.kserve.io/v1alpha1
kind: InferenceGraph
metadata: {name: g}
spec:
  minReplicas: 2
  routerTimeouts: {serverRead: 5, serviceClient: 3}
  nodes: {root: {routerType: Sequence, steps: [{serviceName: iris}]}}
"""
    assert places(graph) == ["spec.routerTimeouts.serverRead"]
    objects: list[dict[str, Any]] = list(render_texts([("g.yaml", graph)], RenderOptions()).objects)
    (ray,) = (one for one in objects if one["kind"] == "RayService")
    (group,) = ray["spec"]["rayClusterConfig"]["workerGroupSpecs"]
    assert group["replicas"] == 2


def test_the_operator_reports_it_as_a_warning() -> None:
    import yaml

    from umbel.k8s.operator.compiling import compiled
    from umbel.k8s.operator.world import Key

    text = SERVICE.format(more="hostNetwork: true", inner="")
    made = compiled(Key("InferenceService", "default", "iris"), [yaml.safe_load(text)], "/a/iris")
    assert made.config is not None
    assert "UMB-K710" in {one.code for one in made.findings}


def test_a_rollout_that_a_file_cannot_have_is_told() -> None:
    more = "canaryTrafficPercent: 20"
    text = SERVICE.format(more=more, inner="storageUri: 's3://b/iris'")
    text += """
  canary: [{trafficPercent: 10, predictor: {name: next, sklearn: {storageUri: 's3://b/2'}}}]
"""
    text = text.replace("    canaryTraffic", "    name: stable\n    canaryTraffic")
    rendered = render_texts([("f.yaml", text)], RenderOptions())
    told = {one.place.path: one for one in rendered.findings if one.code == "UMB-K711"}
    assert set(told) == {"spec.predictor.canaryTrafficPercent", "spec.canary[0]"}
    assert all(one.severity == "notice" for one in told.values())
    assert "20 %" in told["spec.predictor.canaryTrafficPercent"].message
    assert "'next'" in told["spec.canary[0]"].message
