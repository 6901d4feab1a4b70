from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

Check = Callable[..., Any]

MODE = "serving.kserve.io/deploymentMode"
SCALER = "serving.kserve.io/autoscalerClass"
MODEL = "predictor: {sklearn: {storageUri: gs://b/m}%s}"

REFUSED = {
    "nothing to run": ("predictor: {minReplicas: 1}", ["K210"]),
    "two frameworks": ("predictor: {sklearn: {}, xgboost: {}}", ["K210"]),
    "framework and container": (
        "predictor: {sklearn: {}, containers: [{name: kserve-container, image: a}]}",
        ["K210"],
    ),
    "no container in the transformer": ("predictor: {sklearn: {}}\ntransformer: {}", ["K210"]),
    "two explainers": (
        "predictor: {sklearn: {}}\n"
        "explainer: {art: {type: SquareAttack}, containers: [{image: a}]}",
        ["K210"],
    ),
    "no predictor": ("transformer: {containers: [{image: a}]}", ["K018"]),
    "negative min": (MODEL % ", minReplicas: -1", ["K211"]),
    "negative max": (MODEL % ", maxReplicas: -1", ["K211"]),
    "min over max": (MODEL % ", minReplicas: 3, maxReplicas: 2", ["K211"]),
    "concurrency": (MODEL % ", containerConcurrency: -1", ["K212"]),
    "logger without mode": (MODEL % ", logger: {url: http://l}", ["K213"]),
    "logger of a wrong mode": (MODEL % ", logger: {mode: some}", ["K017"]),
    "logger storage": (MODEL % ", logger: {mode: all, storage: {path: logs}}", ["K213"]),
    "name in a model": ("predictor: {sklearn: {name: mine}}", ["K206"]),
    "PYTHONPATH in a model": (
        "predictor: {sklearn: {env: [{name: PYTHONPATH, value: /x}]}}",
        ["K203"],
    ),
    "PYTHONPATH in an init container": (
        MODEL % ", initContainers: [{name: a, env: [{name: PYTHONPATH, value: /x}]}]",
        ["K203"],
    ),
    "STORAGE_URI in a transformer beside": (
        "predictor: {containers: [{name: kserve-container},"
        " {name: transformer-container, env: [{name: STORAGE_URI, value: gs://b}]}]}",
        ["K205"],
    ),
    "two places": (MODEL % ", storageUris: [{uri: gs://b/x}]", ["K207"]),
    "relative mount": (
        "predictor: {sklearn: {}, storageUris: [{uri: gs://b, mountPath: mnt}]}",
        ["K208"],
    ),
    "mount with ..": (
        "predictor: {sklearn: {}, storageUris: [{uri: gs://b, mountPath: /mnt/../x}]}",
        ["K208"],
    ),
    "mount at /": (
        "predictor: {sklearn: {}, storageUris: [{uri: gs://b, mountPath: /}]}",
        ["K208"],
    ),
    "no common parent": (
        "predictor: {sklearn: {}, storageUris: [{uri: gs://a, mountPath: /a/x},"
        " {uri: gs://b, mountPath: /b/x}]}",
        ["K208"],
    ),
    "one claim path twice": (
        "predictor: {sklearn: {}, storageUris: [{uri: pvc://a, mountPath: /a},"
        " {uri: pvc://b, mountPath: /a}]}",
        ["K208"],
    ),
    "confidential without uri": (
        "predictor: {sklearn: {confidential: {enabled: true}}}",
        ["K209"],
    ),
    "confidential id": (
        "predictor: {sklearn: {storageUri: s3://b, confidential:"
        " {enabled: true, resourceId: kbs:///a}}}",
        ["K209"],
    ),
    "no format": ("predictor: {model: {storageUri: gs://b/m}}", ["K218"]),
    "unknown format": ("predictor: {model: {modelFormat: {name: fasttext}}}", ["K219"]),
    "percent": (MODEL % ", canaryTrafficPercent: 101", ["K220"]),
    "unnamed containers": (
        "predictor: {containers: [{name: kserve-container}, {image: a}]}",
        ["K224"],
    ),
}


@pytest.mark.parametrize(("spec", "codes"), REFUSED.values(), ids=REFUSED)
def test_what_kserve_refuses(service: Check, spec: str, codes: list[str]) -> None:
    assert service(spec).codes("error") == codes


ACCEPTED = {
    "model": "predictor: {model: {modelFormat: {name: sklearn}, storageUri: gs://b/m}}",
    "scale to zero": MODEL % ", minReplicas: 0, maxReplicas: 3, scaleMetric: rps, scaleTarget: 5",
    "no limit": MODEL % ", minReplicas: 7, maxReplicas: 0",
    "logger": MODEL % ", logger: {mode: request, url: http://l}",
    "logger storage": MODEL
    % (", logger: {mode: all, storage: {path: /logs, parameters: {type: s3}, key: k}}"),
    "batcher": MODEL % ", batcher: {maxBatchSize: 32, maxLatency: 500}",
    "several uris": (
        "predictor: {sklearn: {}, storageUris: [{uri: gs://a, mountPath: /mnt/models/a},"
        " {uri: hf://b/c, mountPath: /mnt/models/b}, {uri: pvc://c, mountPath: /data}]}"
    ),
    "helper beside the model": (
        "predictor: {model: {modelFormat: {name: sklearn}, storageUri: gs://b},"
        " containers: [{name: transformer-container, image: t}]}"
    ),
    "custom": "predictor: {containers: [{image: mine:1, env: [{name: PROTOCOL, value: v2}]}]}",
    "old account field": MODEL % ", serviceAccount: models",
    "art": "predictor: {sklearn: {}}\nexplainer: {art: {type: SquareAttack, config: {a: b}}}",
    "pod fields": MODEL
    % (
        ", nodeSelector: {gpu: a100}, tolerations: [{key: gpu, operator: Exists}], volumes:"
        " [{name: v, persistentVolumeClaim: {claimName: c}}], hostIPC: true,"
        " topologySpreadConstraints: [{maxSkew: 1, topologyKey: zone,"
        " whenUnsatisfiable: DoNotSchedule}]"
    ),
    "fractions": "predictor: {sklearn: {resources: {requests: {cpu: 0.1, memory: 1Gi}}}}",
    "probe": (
        "predictor: {sklearn: {readinessProbe: {httpGet: {path: /v2, port: http},"
        " periodSeconds: 5}}}"
    ),
}


@pytest.mark.parametrize("spec", ACCEPTED.values(), ids=ACCEPTED)
def test_what_kserve_accepts(service: Check, spec: str) -> None:
    assert service(spec).codes() == []


def test_names_and_autoscaler_classes(service: Check) -> None:
    assert service(MODEL % "", name="Iris").codes() == ["K201"]
    assert service(MODEL % "", name="i" * 63).codes() == []
    assert service(MODEL % "", name="i" * 64).codes() == ["K201"]
    assert service(MODEL % "", **{SCALER: "kpa"}).codes() == ["K202"]
    assert service(MODEL % "", **{SCALER: "external"}).codes() == []


KNATIVE, STANDARD = {MODE: "Knative"}, {MODE: "Standard"}
HPA, KEDA = {MODE: "RawDeployment", SCALER: "hpa"}, {MODE: "Standard", SCALER: "keda"}
CPU = "{type: Resource, resource: {name: cpu, target: {type: %s}}}"
SCALING = {
    "kpa cpu": (KNATIVE, "scaleMetric: cpu", True),
    "kpa strategy": (KNATIVE, "deploymentStrategy: {type: Recreate}", True),
    "kpa rps 0": (KNATIVE, "scaleMetric: rps, scaleTarget: 0", True),
    "kpa rps": (KNATIVE, "scaleMetric: rps, scaleTarget: 1", False),
    "knative with hpa": (
        {"autoscaling.knative.dev/class": "hpa.autoscaling.knative.dev"},
        "scaleMetric: cpu, scaleTarget: 80",
        False,
    ),
    "standard strategy": (STANDARD, "deploymentStrategy: {type: Recreate}", False),
    "hpa rps": (HPA, "scaleMetric: rps", True),
    "hpa memory": (HPA, "scaleMetric: memory, scaleTarget: 80", False),
    "hpa memory over 100": (HPA, "scaleMetric: memory, scaleTarget: 200", True),
    "hpa target 0": (HPA, "scaleTarget: 0", True),
    "hpa external": (HPA, "autoScaling: {metrics: [{type: External}]}", True),
    "hpa resource": (HPA, "autoScaling: {metrics: [{type: Resource}]}", True),
    "keda scaleMetric": (KEDA, "scaleMetric: cpu", True),
    "keda cpu": (
        KEDA,
        f"autoScaling: {{metrics: [{CPU % 'Utilization, averageUtilization: 50'}]}}",
        False,
    ),
    "keda cpu over 100": (
        KEDA,
        f"autoScaling: {{metrics: [{CPU % 'Utilization, averageUtilization: 101'}]}}",
        True,
    ),
    "keda cpu value": (
        KEDA,
        f"autoScaling: {{metrics: [{CPU % 'AverageValue, averageValue: 1'}]}}",
        True,
    ),
    "keda small memory": (
        KEDA,
        "autoScaling: {metrics: [{type: Resource, resource: {name: memory,"
        " target: {type: AverageValue, averageValue: 1000}}}]}",
        True,
    ),
    "keda memory": (
        KEDA,
        "autoScaling: {metrics: [{type: Resource, resource: {name: memory,"
        " target: {type: AverageValue, averageValue: 500Mi}}}]}",
        False,
    ),
    "keda query": (
        KEDA,
        "autoScaling: {metrics: [{type: External, external: {metric: {backend: prometheus},"
        " target: {type: Value, value: 5}}}]}",
        True,
    ),
    "keda external": (
        KEDA,
        "autoScaling: {metrics: [{type: External, external: {metric: {query: up},"
        ' target: {type: Value, value: "5"}}}]}',
        False,
    ),
    "keda pods": (
        KEDA,
        "autoScaling: {metrics: [{type: PodMetric, podmetric: {metric: {query: up},"
        " target: {type: Value}}}]}",
        True,
    ),
}


@pytest.mark.parametrize(("annotations", "fields", "refused"), SCALING.values(), ids=SCALING)
def test_scaling_fields_fit_the_autoscaler(
    service: Check, annotations: dict[str, str], fields: str, refused: bool
) -> None:
    found = service(MODEL % f", {fields}", **annotations)
    assert (set(found.codes("error")) == {"K215"}) == refused
    assert refused or found.codes() == []


def test_without_a_deployment_mode_scaling_is_only_a_warning(service: Check) -> None:
    found = service(MODEL % ", scaleMetric: cpu")
    assert found.codes("error") == []
    assert found.codes("warning") == ["K215"]


def test_a_percentage_has_no_effect_in_standard_mode(service: Check) -> None:
    assert service(MODEL % ", canaryTrafficPercent: 10", **STANDARD).codes("warning") == ["K220"]
    assert service(MODEL % ", canaryTrafficPercent: 10", **KNATIVE).codes() == []


CANARY = """
predictor: {name: stable, minReplicas: 2, sklearn: {storageUri: gs://b/1}}
canary:
- trafficPercent: %s
  predictor: {name: %s, sklearn: {storageUri: gs://b/2}%s}
- trafficPercent: 20
  predictor: {name: third, sklearn: {storageUri: gs://b/3}}
"""


@pytest.mark.parametrize(
    ("percent", "name", "more", "number"),
    [
        (10, "next", "", 0),
        (80, "next", "", 0),
        (81, "next", "", 1),
        (-1, "next", "", 1),
        (10, "stable", "", 1),
        (10, "third", "", 1),
        (10, '""', "", 1),
        (10, "next", ", maxReplicas: 3, scaleTarget: 1, scaleMetric: rps", 3),
        (10, "next", ", minReplicas: 3", 1),
        (10, "next", ", minReplicas: 2", 0),
        (10, "next", ", xgboost: {}", 1),
        (10, "next", ", workerSpec: {}", 1),
    ],
)
def test_canaries(service: Check, percent: int, name: str, more: str, number: int) -> None:
    found = service(CANARY % (percent, name, more), **STANDARD)
    errors = [code for code in found.codes("error") if code == "K217"]
    assert len(errors) == number


def test_canaries_need_standard_mode_and_a_stable_name(service: Check) -> None:
    assert service(CANARY % (10, "next", "")).codes("error") == ["K217"]
    unnamed = (CANARY % (10, "next", "")).replace("name: stable, ", "")
    assert service(unnamed, **STANDARD).codes("error") == ["K217"]


WORKER = (
    "predictor: {model: {modelFormat: {name: huggingface}, storageUri: %s%s}, workerSpec: {%s}}"
)


@pytest.mark.parametrize(
    ("uri", "model", "worker", "number"),
    [
        ("pvc://c/m", "", "pipelineParallelSize: 2, tensorParallelSize: 1", 0),
        ("oci://r/m", "", "containers: [{name: worker-container}]", 0),
        ("gs://b/m", "", "pipelineParallelSize: 2", 1),
        ("pvc://c/m", "", "pipelineParallelSize: 0, tensorParallelSize: -1", 2),
        ("pvc://c/m", "", "containers: [{name: a}, {name: b}]", 1),
        ("pvc://c/m", ", env: [{name: TENSOR_PARALLEL_SIZE, value: '2'}]", "", 1),
        ("pvc://c/m", ", resources: {limits: {nvidia.com/gpu: 1}}", "", 0),
        ("pvc://c/m", ", resources: {limits: {acme.com/npu: 1}}", "", 1),
    ],
)
def test_multi_node(service: Check, uri: str, model: str, worker: str, number: int) -> None:
    found = service(WORKER % (uri, model, worker), **{SCALER: "none"})
    assert [code for code in found.codes("error") if code == "K204"] == ["K204"] * number
    assert "K204" in service(WORKER % (uri, model, worker)).codes("error")


def test_a_finding_names_field_line_and_fix(service: Check) -> None:
    found = service(
        "predictor:\n  sklearn:\n    storageUri: gs://b\n    modelformat: x\n"
        "  minReplica: 1\n  storageUri: gs://b\n"
    )
    assert found.codes() == ["K015", "K015", "K015"]
    texts = [str(one) for one in found.findings]
    assert texts[0].startswith("f0.yaml:9 spec.predictor.sklearn.modelformat: warning")
    assert "did you mean 'minReplicas'?" in texts[1]
    assert "move it to spec.predictor.sklearn.storageUri" in texts[2]
