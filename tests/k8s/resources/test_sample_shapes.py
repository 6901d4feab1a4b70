"""Every shape of resource that KServe's own samples have: read without an error.

Each entry is written for this test after a topic of the samples, with its expected warnings.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

Check = Callable[..., Any]

SERVICE = "apiVersion: serving.kserve.io/v1beta1\nkind: InferenceService\n"
GRAPH = "apiVersion: serving.kserve.io/v1alpha1\nkind: InferenceGraph\n"
OLD = "apiVersion: serving.kubeflow.org/v1alpha2\nkind: InferenceService\n"

SHAPES: dict[str, tuple[str, list[str]]] = {
    "gpu": (
        SERVICE + "metadata: {name: flowers-gpu}\nspec: {predictor: {tensorflow: {storageUri:"
        " 'gs://b/flowers', runtimeVersion: '2.5.1-gpu', resources: {limits:"
        " {nvidia.com/gpu: 1}}}}}",
        [],
    ),
    "autoscaling by concurrency": (
        SERVICE + "metadata: {name: a, annotations: {autoscaling.knative.dev/target: '1'}}\n"
        "spec: {predictor: {scaleTarget: 1, scaleMetric: concurrency, model: {modelFormat:"
        " {name: tensorflow}, storageUri: 'gs://b/flowers'}}}",
        [],
    ),
    "batcher": (
        SERVICE + "metadata: {name: a}\nspec: {predictor: {minReplicas: 1, timeout: 60, batcher:"
        " {maxBatchSize: 32, maxLatency: 5000}, pytorch: {storageUri: 'gs://b/t'}}}",
        [],
    ),
    "logger": (
        SERVICE + "metadata: {name: a}\nspec: {predictor: {logger: {mode: all, url:"
        " 'http://dumper.default/'}, sklearn: {storageUri: 'gs://b/iris'}}}",
        [],
    ),
    "liveness and readiness": (
        SERVICE + "metadata: {name: a}\nspec: {predictor: {model: {modelFormat: {name: sklearn},"
        " storageUri: 'gs://b/iris', livenessProbe: {tcpSocket: {port: 8080}}, readinessProbe:"
        " {httpGet: {path: /v2/health/ready, port: 8080, scheme: HTTP}, failureThreshold: 3}}}}",
        [],
    ),
    "label for the cluster only": (
        SERVICE + "metadata: {name: a, labels: {networking.kserve.io/visibility: cluster-local}}\n"
        "spec: {predictor: {sklearn: {storageUri: 'gs://b/iris'}}}",
        [],
    ),
    "no authorisation": (
        SERVICE + "metadata: {name: a, annotations: {sidecar.istio.io/inject: 'false'}}\n"
        "spec: {predictor: {sklearn: {storageUri: 'gs://b/iris'}}}",
        [],
    ),
    "custom image with port and env": (
        SERVICE + "metadata: {name: a}\nspec: {predictor: {containers: [{name: kserve-container,"
        " image: me/server, ports: [{containerPort: 9000, name: h2c, protocol: TCP}],"
        " env: [{name: KEY, valueFrom: {secretKeyRef: {name: s, key: k}}}],"
        " envFrom: [{configMapRef: {name: c}}]}]}}",
        [],
    ),
    "transformer and predictor in one pod": (
        SERVICE + "metadata: {name: a}\nspec: {predictor: {containers: [{name: kserve-container,"
        " image: m, args: [--http_port=8085]}, {name: transformer-container, image: t,"
        " ports: [{containerPort: 8080}]}]}}",
        [],
    ),
    "transformer with storage": (
        SERVICE + "metadata: {name: a}\nspec: {transformer: {containers: [{name: c, image: t,"
        " command: [python, -m, bert], env: [{name: STORAGE_URI, value: 'gs://b/t'}]}]},"
        " predictor: {triton: {runtimeVersion: 20.10-py3, storageUri: 'gs://b/bert',"
        " args: ['--log-verbose=1'], ports: [{containerPort: 9000, name: h2c}]}}}",
        [],
    ),
    "feast transformer": (
        SERVICE + "metadata: {name: a}\nspec: {transformer: {containers: [{name: driver, image: t,"
        " args: [--feature_refs, 'driver:rate', --entity_id_name, driver_id]}]},"
        " predictor: {model: {modelFormat: {name: sklearn}, storageUri: 'gs://b/d'}}}",
        [],
    ),
    "explainer of one's own": (
        SERVICE + "metadata: {name: a}\nspec: {predictor: {containers: [{image: p}]},"
        " explainer: {containers: [{name: explainer, image: e, args: [--favorable_label, '1',"
        " --privileged_groups, '{\"age\": 1}'], imagePullPolicy: Always}]}}",
        [],
    ),
    "art": (
        SERVICE + "metadata: {name: a}\nspec: {predictor: {sklearn: {storageUri: 'gs://b/m'}},"
        " explainer: {art: {type: SquareAttack, config: {nb_classes: '10'}}}}",
        [],
    ),
    "storage by key": (
        SERVICE + "metadata: {name: a}\nspec: {predictor: {model: {modelFormat: {name: sklearn},"
        " storage: {key: minio, path: iris/m.joblib, parameters: {bucket: models}}}}}",
        [],
    ),
    "secret for s3": (
        "apiVersion: v1\nkind: Secret\nmetadata: {name: s3, annotations:"
        " {serving.kserve.io/s3-endpoint: 'minio:9000', serving.kserve.io/s3-usehttps: '0'}}\n"
        "type: Opaque\nstringData: {AWS_ACCESS_KEY_ID: a, AWS_SECRET_ACCESS_KEY: b}\n---\n"
        "apiVersion: v1\nkind: ServiceAccount\nmetadata: {name: sa}\nsecrets:\n- name: s3\n",
        [],
    ),
    "hugging face": (
        SERVICE + "metadata: {name: a}\nspec: {predictor: {model: {modelFormat:"
        " {name: huggingface}, args: [--model_name=llama3], storageUri: 'hf://m/llama',"
        " resources: {limits: {cpu: '6', memory: 24Gi, nvidia.com/gpu: '1'}}}}}",
        [],
    ),
    "oci image volume": (
        SERVICE + "metadata: {name: a}\nspec: {predictor: {model: {modelFormat: {name: sklearn},"
        " storageUri: 'oci+native://registry/iris:1'}}}",
        [],
    ),
    "pinned roll-out": (
        SERVICE + "metadata: {name: a, annotations: {serving.kserve.io/enable-tag-routing:"
        " 'true'}}\nspec: {predictor: {canaryTrafficPercent: 0, sklearn: {storageUri: 's3://b'}}}",
        [],
    ),
    "keda with more than KServe has": (
        SERVICE + "metadata: {name: a, annotations: {serving.kserve.io/deploymentMode:"
        " RawDeployment, serving.kserve.io/autoscalerClass: keda}}\nspec: {predictor:"
        " {autoScaling: {metrics: [{type: Resource, name: cpu, resource: {name: cpu, target:"
        " {type: Utilization, averageUtilization: 50}}}], keda: {pollingInterval: 15}},"
        " sklearn: {storageUri: 's3://b'}}}",
        ["K015", "K015"],
    ),
    "modelmesh": (
        SERVICE + "metadata: {name: a, annotations: {serving.kserve.io/deploymentMode: ModelMesh}}"
        "\nspec: {predictor: {model: {modelFormat: {name: sklearn}, runtime: mlserver-1.x,"
        " storage: {key: k, path: p}}}}",
        ["K225"],
    ),
    "several models of one service": (
        SERVICE + "metadata: {name: many}\nspec: {predictor: {triton: {protocolVersion: v2}}}\n"
        "---\napiVersion: serving.kserve.io/v1alpha1\nkind: TrainedModel\nmetadata: {name: one}\n"
        "spec: {inferenceService: many, model: {storageUri: 'gs://b/one', framework: triton,"
        " memory: 1Gi}}",
        [],
    ),
    "runtime of one's own": (
        "apiVersion: serving.kserve.io/v1alpha1\nkind: ServingRuntime\nmetadata: {name: vllm}\n"
        "spec: {annotations: {prometheus.io/port: '8080'}, supportedModelFormats: [{name: vLLM,"
        " version: '1', autoSelect: true}], protocolVersions: [v2], containers: [{name:"
        " kserve-container, image: vllm, args: ['--model-name={{.Name}}'], volumeMounts: [{name:"
        " shm, mountPath: /dev/shm}]}], volumes: [{name: shm, emptyDir: {medium: Memory,"
        " sizeLimit: 2Gi}}], hostIPC: false}",
        [],
    ),
    "old shape": (
        OLD + "metadata: {name: a}\nspec: {default: {predictor: {minReplicas: 0, xgboost:"
        " {storageUri: 'gs://b', nthread: 4}}}}",
        ["K015"],
    ),
    "sequence": (
        GRAPH + "metadata: {name: chain}\nspec: {nodes: {root: {routerType: Sequence, steps:"
        " [{serviceUrl: 'http://a.example/v1/models/a:predict', name: a}, {serviceUrl:"
        " 'http://b.example', data: $response, condition: 'predictions.#(label==\"dog\")'}]}}}",
        [],
    ),
    "splitter": (
        GRAPH + "metadata: {name: split}\nspec: {nodes: {root: {routerType: Splitter, steps:"
        " [{serviceUrl: 'http://a', weight: 20}, {serviceUrl: 'http://b', weight: 80}]}}}",
        [],
    ),
    "ensemble": (
        GRAPH + "metadata: {name: both}\nspec: {minReplicas: 1, maxReplicas: 3, scaleMetric: rps,"
        " routerTimeouts: {serviceClient: 5}, resources: {requests: {cpu: 1}}, nodes: {root:"
        " {routerType: Ensemble, steps: [{name: a, serviceUrl: 'http://a'}, {name: b,"
        " serviceUrl: 'http://b', dependency: Hard}]}}}",
        [],
    ),
    "switch": (
        GRAPH + "metadata: {name: pick}\nspec: {nodes: {root: {routerType: Switch, steps:"
        " [{nodeName: dogs, condition: '[@this].#(kind==dog)'}, {serviceUrl: 'http://cats',"
        " condition: '@this'}]}, dogs: {routerType: Sequence, steps: [{serviceUrl: 'http://d',"
        " mapPredictionsToInstances: true}]}}}",
        [],
    ),
}


@pytest.mark.parametrize(("text", "warnings"), SHAPES.values(), ids=SHAPES)
def test_a_sample_shape(check: Check, text: str, warnings: list[str]) -> None:
    found = check(text)
    assert found.codes("error") == []
    assert found.codes("warning") == warnings
