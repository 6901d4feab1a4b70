from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

Check = Callable[..., Any]


def test_default_and_canary_become_a_service_with_a_canary(check: Check) -> None:
    found = check("""
        apiVersion: serving.kubeflow.org/v1alpha2
        kind: InferenceService
        metadata: {name: flowers}
        spec:
          default:
            predictor:
              parallelism: 2
              tensorflow: {storageUri: "gs://b/flowers"}
          canaryTrafficPercent: 10
          canary:
            predictor:
              tensorflow: {storageUri: "gs://b/flowers-2"}
    """)
    assert found.codes() == []
    assert found.codes("notice") == ["K014"]
    for words in ("v1alpha2 read as", "spec.default became", "10 % of the traffic"):
        assert words in found.only("K014").message
    (service,) = found.loaded.inference_services
    assert service.data["apiVersion"] == "serving.kserve.io/v1beta1"
    assert service.spec.predictor.container_concurrency == 2
    assert service.spec.predictor.tensorflow.storage_uri == "gs://b/flowers"
    (canary,) = service.spec.canary
    assert canary.traffic_percent == 10
    assert canary.predictor.tensorflow.storage_uri == "gs://b/flowers-2"
    assert service.place("spec.predictor.tensorflow.storageUri").line == 9
    assert service.place("spec.predictor.containerConcurrency").line == 8
    assert service.place("spec.canary[0].trafficPercent").line == 10
    assert str(service.place("spec.canary[0].predictor.tensorflow.storageUri")) == (
        "f0.yaml:13 spec.canary.predictor.tensorflow.storageUri"
    )


def test_the_first_api_with_the_model_right_below_default(check: Check) -> None:
    found = check("""
        apiVersion: serving.kubeflow.org/v1alpha1
        kind: KFService
        metadata: {name: flowers}
        spec:
          default:
            minReplicas: 2
            tensorflow: {modelUri: "gs://b/1"}
          canary:
            trafficPercent: 25
            tensorrt: {modelUri: "gs://b/2"}
    """)
    assert found.codes() == []
    (service,) = found.loaded.inference_services
    assert service.kind == "InferenceService"
    assert service.spec.predictor.min_replicas == 2
    assert service.spec.predictor.tensorflow.storage_uri == "gs://b/1"
    assert service.spec.canary[0].traffic_percent == 25
    assert service.spec.canary[0].predictor.triton.storage_uri == "gs://b/2"
    assert service.place("spec.canary[0].predictor.triton.storageUri").line == 11
    assert service.place("spec.predictor.minReplicas").path == "spec.default.minReplicas"


def test_custom_containers_and_alibi(check: Check) -> None:
    found = check("""
        apiVersion: serving.kubeflow.org/v1alpha2
        kind: InferenceService
        metadata: {name: income}
        spec:
          default:
            predictor:
              sklearn: {storageUri: "gs://b/income"}
            transformer:
              custom:
                container:
                  name: user-container
                  image: mine
                  imag: typo
            explainer:
              minReplicas: 1
              alibi:
                type: AnchorTabular
                storageUri: "gs://b/explainer"
                config: {threshold: "0.9"}
    """)
    assert found.codes("notice") == ["K014", "K021"]
    assert found.codes() == ["K015"]
    assert str(found.only("K015").place) == (
        "f0.yaml:14 spec.default.transformer.custom.container.imag"
    )
    spec = found.loaded.inference_services[0].spec
    assert spec.transformer.containers[0].image == "mine"
    assert spec.explainer.alibi.type == "AnchorTabular"
    assert spec.explainer.alibi.config == {"threshold": "0.9"}


@pytest.mark.parametrize("name", ["alibi", "aix"])
def test_removed_explainers_are_served_in_todays_api_too(check: Check, name: str) -> None:
    found = check(f"""
        apiVersion: serving.kserve.io/v1beta1
        kind: InferenceService
        metadata: {{name: a}}
        spec: {{predictor: {{sklearn: {{}}}}, explainer: {{{name}: {{type: LimeImages}}}}}}
    """)
    assert found.codes() == []
    assert found.codes("notice") == ["K021"]


def test_the_old_group_alone_changes_nothing_else(check: Check) -> None:
    found = check("""
        apiVersion: serving.kubeflow.org/v1beta1
        kind: InferenceService
        metadata: {name: bert}
        spec:
          predictor: {pytorch: {storageUri: "gs://b/bert", modelClassName: Net}}
        ---
        apiVersion: serving.kubeflow.org/v1alpha1
        kind: TrainedModel
        metadata: {name: one}
        spec: {inferenceService: bert, model: {storageUri: "gs://b", framework: p, memory: 1Gi}}
    """)
    assert found.codes("notice") == ["K014", "K014"]
    assert found.codes() == ["K022"]
    assert found.only("K022").place.path == "spec.predictor.pytorch.modelClassName"
    assert found.loaded.inference_services[0].spec.predictor.pytorch.storage_uri == "gs://b/bert"
    assert found.loaded.trained_models[0].data["apiVersion"] == "serving.kserve.io/v1alpha1"


def test_what_a_canary_cannot_have_today_is_told(check: Check) -> None:
    found = check("""
        apiVersion: serving.kserve.io/v1alpha2
        kind: InferenceService
        metadata: {name: a}
        spec:
          default: {predictor: {sklearn: {}}}
          canary:
            predictor: {sklearn: {}}
            transformer: {custom: {container: {image: t}}}
    """)
    assert found.codes() == ["K022"]
    assert found.only("K022").place.line == 9


def test_traffic_for_no_canary_is_told(check: Check) -> None:
    assert check("""
        apiVersion: serving.kubeflow.org/v1alpha2
        kind: InferenceService
        metadata: {name: a}
        spec: {default: {predictor: {sklearn: {}}}, canaryTrafficPercent: 10}
    """).codes() == ["K022"]


def test_wrong_values_in_old_shapes_point_to_the_old_place(check: Check) -> None:
    found = check("""
        apiVersion: serving.kubeflow.org/v1alpha2
        kind: InferenceService
        metadata: {name: a}
        spec:
          default:
            predictor: {sklearn: {}, parallelism: many}
          canary:
            predictor: {sklearn: {}}
          canaryTrafficPercent: "10"
    """)
    assert [(one.code, one.place.path) for one in found.findings if one.severity == "error"] == [
        ("UMB-K016", "spec.default.predictor.parallelism"),
        ("UMB-K016", "spec.canaryTrafficPercent"),
    ]


@pytest.mark.parametrize("metadata", ["[x, {a: 1}]", "5", "null", "{name: a, annotations: [x]}"])
def test_metadata_that_is_none_before_a_canary_is_a_finding(check: Check, metadata: str) -> None:
    found = check(
        f"""
apiVersion: serving.kubeflow.org/v1alpha2
kind: InferenceService
metadata: {metadata}
spec:
  default: {{predictor: {{sklearn: {{storageUri: "gs://a/b"}}}}}}
  canary: {{predictor: {{sklearn: {{storageUri: "gs://a/c"}}}}}}
  canaryTrafficPercent: 10
"""
    )
    assert {"K016", "K019"} & set(found.codes())
