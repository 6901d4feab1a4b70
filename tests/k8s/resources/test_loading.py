from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import umbel.k8s.resources
from umbel.k8s.resources import CODES, load

Check = Callable[..., Any]


def test_everything_has_its_list_and_its_line(check: Check) -> None:
    found = check("""
        apiVersion: v1
        kind: List
        items:
        - apiVersion: serving.kserve.io/v1beta1
          kind: InferenceService
          metadata: {name: iris, labels: {app: a}}
          spec: {predictor: {sklearn: {storageUri: s3://b/iris}, serviceAccountName: models}}
        - apiVersion: v1
          kind: ServiceAccount
          metadata: {name: models}
          secrets: [{name: key}]
        - apiVersion: v1
          kind: Secret
          metadata: {name: key}
          data: {a: aGVsbG8=, b: not-base64!}
          stringData: {c: plain}
        - apiVersion: v1
          kind: ConfigMap
          metadata: {name: inferenceservice-config, namespace: kserve}
          data: {router: '{"headers": {}}'}
        - apiVersion: serving.kserve.io/v1alpha1
          kind: TrainedModel
          metadata: {name: m}
          spec: {inferenceService: iris, model: {storageUri: gs://b/m, framework: x, memory: 1Gi}}
    """)
    assert found.codes() == []
    loaded = found.loaded
    (service,) = loaded.inference_services
    assert (service.name, service.namespace, service.labels) == ("iris", "default", {"app": "a"})
    assert service.spec.predictor.account == "models"
    assert service.place("spec.predictor.sklearn").line == 8
    assert loaded.service_accounts[0].spec.secret_names == ("key",)
    assert loaded.secrets[0].spec.values() == {"a": "hello", "c": "plain"}
    assert "aGVsbG8" not in repr(loaded)
    assert loaded.config_maps[0].namespace == "kserve"
    assert loaded.trained_models[0].spec.model.memory == "1Gi"


@pytest.mark.parametrize(
    ("api", "kind"),
    [
        ("apps/v1", "Deployment"),
        ("v1", "Service"),
        ("v1", "Namespace"),
        ("v1", "PersistentVolumeClaim"),
        ("networking.istio.io/v1alpha3", "VirtualService"),
        ("sources.knative.dev/v1", "KafkaSource"),
        ("batch/v1", "Job"),
        ("eventing.knative.dev/v1", "Trigger"),
        ("gateway.networking.k8s.io/v1", "Gateway"),
    ],
)
def test_other_kinds_are_ignored_with_a_notice(check: Check, api: str, kind: str) -> None:
    found = check(f"apiVersion: {api}\nkind: {kind}\nmetadata: {{generateName: a-}}\nx: 1\n")
    assert found.codes("notice") == ["K010"]
    assert found.codes() == []


@pytest.mark.parametrize(
    ("text", "code", "fix"),
    [
        ("apiVersion: serving.kserve.io/v1alpha1\nkind: LLMInferenceService", "K013", "KServe"),
        (
            "apiVersion: serving.kserve.io/v1beta1\nkind: InferenceServce",
            "K012",
            "did you mean 'InferenceService'?",
        ),
        (
            "apiVersion: serving.kserve.io/v1beta1\nkind: InferenceGraph",
            "K012",
            "apiVersion: serving.kserve.io/v1alpha1",
        ),
        (
            "apiVersion: serving.kserve.com/v1beta1\nkind: InferenceService",
            "K012",
            "apiVersion: serving.kserve.io/v1beta1",
        ),
        ("apiVersion: v1\nkind: InferenceGraph", "K012", "serving.kserve.io/v1alpha1"),
        ("kind: InferenceGraph", "K011", "add apiVersion"),
        ("replicas: 3", "K011", "add apiVersion"),
        ("apiVersion: v1\nkind: 3", "K011", "add kind"),
        ("- a", "K011", "remove the document"),
        ("just text", "K011", "remove the document"),
    ],
)
def test_what_is_no_resource_of_ours(check: Check, text: str, code: str, fix: str) -> None:
    found = check(text)
    assert found.codes() == [code]
    assert fix in found.only(code).fix


WRONG = {
    "no name": ("metadata: {}\nspec: {predictor: {sklearn: {}}}", ["K019"]),
    "no metadata": ("spec: {predictor: {sklearn: {}}}", ["K018"]),
    "no spec": ("metadata: {name: a}", ["K018"]),
    "spec of text": ("metadata: {name: a}\nspec: x", ["K016"]),
    "name of number": ("metadata: {name: 12}\nspec: {predictor: {sklearn: {}}}", ["K016"]),
    "annotation": (
        "metadata: {name: a, annotations: {x: true}}\nspec: {predictor: {sklearn: {}}}",
        ["K016"],
    ),
    "env": (
        "metadata: {name: a}\nspec: {predictor: {sklearn: {env: [{name: A, value: 1}]}}}",
        ["K016"],
    ),
    "list": ("metadata: {name: a}\nspec: {predictor: {containers: {image: x}}}", ["K016"]),
    "mapping": ("metadata: {name: a}\nspec: {predictor: {sklearn: [1]}}", ["K016"]),
    "number": (
        "metadata: {name: a}\nspec: {predictor: {sklearn: {}, minReplicas: '1'}}",
        ["K016"],
    ),
    "big number": (
        "metadata: {name: a}\nspec: {predictor: {sklearn: {}, minReplicas: 3000000000}}",
        ["K016"],
    ),
    "boolean": (
        "metadata: {name: a}\nspec: {predictor: {sklearn: {tty: 'yes'}}}",
        ["K016"],
    ),
    "quantity": (
        "metadata: {name: a}\nspec: {predictor: {sklearn: {resources: {limits: {memory: 1 GB}}}}}",
        ["K016"],
    ),
    "required": (
        "metadata: {name: a}\nspec: {predictor: {sklearn: {}, volumes: [{emptyDir: {}}]}}",
        ["K018"],
    ),
    "nothing": ("metadata: {name: a}\nspec: {predictor: {sklearn: , xgboost: {}}}", []),
    "unknown deep below": (
        "metadata: {name: a}\nspec: {predictor: {sklearn: {}, volumes: [{name: v,"
        " persistentVolumeClaim: {claimname: x, claimName: z}}]}}",
        ["K015"],
    ),
}


@pytest.mark.parametrize(("body", "codes"), WRONG.values(), ids=WRONG)
def test_fields_are_compared_with_the_crd(check: Check, body: str, codes: list[str]) -> None:
    head = "apiVersion: serving.kserve.io/v1beta1\nkind: InferenceService\n"
    assert check(head + body).codes() == codes


def test_a_wrong_field_does_not_hide_the_others(check: Check) -> None:
    found = check("""
        apiVersion: serving.kserve.io/v1alpha1
        kind: InferenceGraph
        metadata: {name: Bad}
        spec:
          nodes:
            root:
              routerType: Splitter
              steps:
              - {nodeName: gone, weight: "50"}
              - {serviceUrl: "http://a", weight: 50, extra: 1}
    """)
    assert found.codes() == ["K016", "K015", "K101", "K110"]
    assert len(found.loaded.inference_graphs[0].spec.nodes["root"].steps) == 2


def test_every_code_that_is_used_is_listed_and_the_other_way_round() -> None:
    folder = Path(umbel.k8s.resources.__file__).parent
    reader = folder.parents[1] / "graph" / "yaml_source.py"
    files = [*folder.parent.resolve().rglob("*.py"), reader]
    assert len(files) > 20
    used = {
        code
        for file in files
        if file.name != "codes.py"
        for code in re.findall(r"UMB-K\d{3}", file.read_text())
    }
    assert used == set(CODES)


def test_no_file_raises() -> None:
    for text in (
        "",
        "---",
        "\x00",
        "kind: List\nitems: 3",
        "kind: [1]\napiVersion: {a: 1}",
        "apiVersion: serving.kubeflow.org/v1alpha2\nkind: InferenceService\nspec: 1",
        "apiVersion: serving.kubeflow.org/v1alpha2\nkind: InferenceService\n"
        "spec: {default: {predictor: 3, explainer: [1]}, canary: x}",
    ):
        load([("f", text)])
