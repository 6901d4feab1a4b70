"""Every field of KServe's resources: served as KServe does, otherwise, or not at all, and why.

The migration guide is made from this table, and so are the warnings about fields in use that
umbel has no use for. The table is complete: a test compares it with the field lists.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Literal

from umbel.k8s.resources.field_types import fields_of

Level = Literal["same", "different", "none"]


@dataclass(frozen=True)
class Support:
    """How a field is served. ``words`` say how, or why not."""

    level: Level
    words: str = ""


BASES: Mapping[str, tuple[str, ...]] = {
    "Predictor": ("Extension", "PodSpec"),
    "Transformer": ("Extension", "PodSpec"),
    "Explainer": ("Extension", "PodSpec"),
    "FrameworkModel": ("Container",),
    "Model": ("FrameworkModel", "Container"),
    "ArtExplainer": ("Container",),
    "AlibiExplainer": ("ArtExplainer", "Container"),
    "WorkerSpec": ("PodSpec",),
    "RuntimeWorkerSpec": ("RuntimePod",),
    "ServingRuntimeSpec": ("RuntimePod",),
}
"""Type → the types whose fields it has besides its own."""

_POD = "given to the worker pods (target `kuberay`); an existing Ray cluster has its own pods"
_NO_CONTAINER = "only components in containers of their own have it: umbel's replicas are no such"
_RUNTIME_POD = "used where a model runs in its container; umbel runs the formats it knows itself"
_MODELMESH = "for ModelMesh, which umbel does not need: TrainedModels share replicas"
_HPA = "Ray Serve scales by one metric: scaleMetric and scaleTarget"
NO_GRPC_V1 = "TensorFlow Serving's own gRPC API is not served: use grpc-v2"
_NODES = "a model over several machines is not served"
_ROWS: tuple[tuple[str, str, Level, str], ...] = (
    ("InferenceServiceSpec", "predictor transformer explainer", "same", ""),
    (
        "InferenceServiceSpec",
        "canary",
        "same",
        "by the operator; a file alone has no rollout",
    ),
    (
        "Predictor",
        "sklearn xgboost lightgbm onnx pmml pytorch huggingface tensorflow model",
        "same",
        "read by umbel's own runtime of that format",
    ),
    (
        "Predictor",
        "triton",
        "different",
        "a repository of one ONNX, TorchScript, TensorFlow, XGBoost or LightGBM model; ensembles, "
        "TensorRT and Python backends in Triton's container: `umbel.dev/run-as: container`",
    ),
    ("Predictor", "paddle", "same", "runs in its runtime's container, as every other format does"),
    ("Predictor", "name", "same", "the variant's name, for canaries"),
    ("Predictor", "storageContainerName", "none", "umbel reads storage itself, in the replica"),
    ("Predictor", "workerSpec", "none", _NODES),
    ("Explainer", "alibi art", "same", "run by umbel in the graph's own process"),
    ("Explainer", "aix", "none", "KServe dropped it in 0.11"),
    ("Extension", "minReplicas maxReplicas", "same", "also 0, without Knative"),
    (
        "Extension",
        "scaleTarget scaleMetric",
        "different",
        "concurrency, rps, cpu and memory, all by Ray Serve; no KEDA or HPA is needed",
    ),
    ("Extension", "scaleMetricType autoScaling", "none", _HPA),
    ("Extension", "containerConcurrency timeout", "same", ""),
    (
        "Extension",
        "canaryTrafficPercent",
        "same",
        "in every mode; served by the operator",
    ),
    ("Extension", "batcher", "different", "also for V2 and gRPC, and errors keep their status"),
    ("Extension", "logger", "same", "posted by the replica; what the sink does not take is lost"),
    ("Extension", "labels annotations", "same", _POD),
    (
        "Extension",
        "deploymentStrategy",
        "different",
        "a new replica answers before an old one goes, a quarter of them at a time",
    ),
    ("Extension", "storageUris", "same", "several of them: the model runs in its container"),
    (
        "PodSpec",
        "affinity dnsConfig dnsPolicy hostAliases imagePullSecrets nodeName nodeSelector "
        "priorityClassName runtimeClassName schedulerName tolerations topologySpreadConstraints "
        "volumes terminationGracePeriodSeconds",
        "same",
        _POD,
    ),
    ("PodSpec", "serviceAccountName serviceAccount", "same", "its Secrets sign in to storage"),
    (
        "PodSpec",
        "containers",
        "different",
        "a Deployment of their own, as in KServe's Standard mode; where `command` and `args` name "
        "a Python class, umbel's replica runs that, see umbel.dev/image",
    ),
    (
        "PodSpec",
        "securityContext automountServiceAccountToken",
        "different",
        "pods are non-root, with the default seccomp profile and without a token",
    ),
    ("PodSpec", "initContainers ephemeralContainers", "none", _NO_CONTAINER),
    (
        "PodSpec",
        "activeDeadlineSeconds enableServiceLinks hostIPC hostNetwork hostPID hostUsers hostname "
        "hostnameOverride os overhead preemptionPolicy priority readinessGates resourceClaims "
        "resources restartPolicy schedulingGates setHostnameAsFQDN shareProcessNamespace subdomain",
        "none",
        "has no meaning for a Ray worker",
    ),
    ("Container", "name", "same", ""),
    (
        "Container",
        "image",
        "different",
        "started where the component is a container; for a Python class see umbel.dev/image",
    ),
    (
        "Container",
        "command args",
        "different",
        "the container's; of a Python class the options become constructor arguments",
    ),
    ("Container", "env envFrom volumeMounts", "same", _POD),
    (
        "Container",
        "resources",
        "different",
        "the predictor's are the size of the worker pods; GPUs go where they are asked for",
    ),
    ("Container", "workingDir", "none", _NO_CONTAINER),
    (
        "Container",
        "livenessProbe readinessProbe startupProbe",
        "different",
        "pods have probes of Ray's; a replica is ready once its model is loaded",
    ),
    ("Container", "ports", "different", "every resource answers on port 80 of its Service"),
    ("Container", "imagePullPolicy securityContext", "different", "umbel's own pods have theirs"),
    (
        "Container",
        "lifecycle resizePolicy restartPolicy restartPolicyRules stdin stdinOnce "
        "terminationMessagePath terminationMessagePolicy tty volumeDevices",
        "none",
        _NO_CONTAINER,
    ),
    ("FrameworkModel", "storageUri storage", "same", ""),
    (
        "FrameworkModel",
        "protocolVersion",
        "different",
        "for choosing a runtime; every model answers V1, V2 and gRPC (grpc-v2), not grpc-v1",
    ),
    ("FrameworkModel", "runtimeVersion", "different", "the library's version is the image's"),
    ("FrameworkModel", "confidential", "none", "umbel decrypts no models"),
    ("Model", "modelFormat runtime", "same", ""),
    ("ModelFormat", "name version", "same", ""),
    ("ModelStorage", "key path parameters", "same", ""),
    ("ModelStorage", "schemaPath", "none", "for ModelMesh"),
    ("Confidential", "enabled resourceId", "none", "umbel decrypts no models"),
    ("StorageUri", "uri", "same", ""),
    ("StorageUri", "mountPath", "different", "the model is read where it is cached"),
    ("Batcher", "maxBatchSize maxLatency", "same", ""),
    ("Batcher", "timeout", "same", "without effect, as in KServe"),
    ("Logger", "mode url metadataHeaders metadataAnnotations", "same", ""),
    ("Logger", "storage marshallerUrl", "none", "payloads are posted to an HTTP sink only"),
    ("Logger", "batchSize batchInterval", "none", "each payload is an event of its own"),
    ("LoggerStorage", "path parameters key serviceAccountName", "none", "see logger.storage"),
    ("AutoScaling", "metrics behavior", "none", _HPA),
    ("Canary", "predictor trafficPercent", "same", ""),
    ("WorkerSpec", "pipelineParallelSize tensorParallelSize", "none", _NODES),
    ("ArtExplainer", "type config storageUri", "same", ""),
    ("ArtExplainer", "storage runtimeVersion", "none", "explainers are read by storageUri"),
    ("InferenceGraphSpec", "nodes", "same", "with the router's own semantics"),
    ("InferenceGraphSpec", "minReplicas maxReplicas", "same", "also 0"),
    ("InferenceGraphSpec", "scaleTarget scaleMetric", "different", "all four, by Ray Serve"),
    ("InferenceGraphSpec", "timeout", "different", "is kept; KServe's router ignores it"),
    ("InferenceGraphSpec", "routerTimeouts resources", "same", ""),
    (
        "InferenceGraphSpec",
        "affinity tolerations nodeSelector nodeName serviceAccountName",
        "same",
        _POD,
    ),
    ("Router", "routerType steps", "same", ""),
    (
        "Step",
        "name nodeName serviceName serviceUrl data weight condition dependency "
        "mapPredictionsToInstances",
        "same",
        "",
    ),
    ("RouterTimeouts", "serviceClient", "same", ""),
    ("RouterTimeouts", "serverRead serverWrite serverIdle", "none", "the proxy has its own"),
    (
        "ServingRuntimeSpec",
        "supportedModelFormats protocolVersions disabled multiModel",
        "same",
        "for choosing a runtime, as KServe does",
    ),
    ("ServingRuntimeSpec", "workerSpec", "none", _NODES),
    (
        "ServingRuntimeSpec",
        "builtInAdapter grpcDataEndpoint grpcEndpoint httpDataEndpoint replicas storageHelper",
        "none",
        _MODELMESH,
    ),
    (
        "RuntimePod",
        "affinity annotations containers hostIPC imagePullSecrets labels nodeSelector "
        "resourceClaims schedulerName tolerations volumes",
        "different",
        _RUNTIME_POD,
    ),
    ("RuntimeWorkerSpec", "pipelineParallelSize tensorParallelSize", "none", _NODES),
    ("SupportedModelFormat", "name version autoSelect priority", "same", ""),
    ("TrainedModelSpec", "inferenceService model", "same", ""),
    ("TrainedModelModel", "storageUri framework memory", "same", ""),
)

ANNOTATIONS: Mapping[str, Support] = {
    "serving.kserve.io/stop": Support("same"),
    "serving.kserve.io/enable-tag-routing": Support("same", "served by the operator"),
    "serving.kserve.io/deploymentMode": Support("different", "one mode serves all of them"),
    "serving.kserve.io/autoscalerClass": Support("different", "Ray Serve's autoscaler, always"),
    "serving.kserve.io/enable-prometheus-scraping": Support(
        "different", "always, by a ServiceMonitor"
    ),
    "autoscaling.knative.dev/target": Support("same", "where scaleTarget is not given"),
    "autoscaling.knative.dev/metric": Support("same", "where scaleMetric is not given"),
    "autoscaling.knative.dev/class": Support("different", "Ray Serve's autoscaler, always"),
    "autoscaling.knative.dev/*": Support(
        "none", "there is no Knative: use minReplicas, maxReplicas, scaleTarget and scaleMetric"
    ),
    "sidecar.istio.io/inject": Support("different", "there is no sidecar, whatever it says"),
}
"""Annotations that KServe's users have on their resources."""


@cache
def _table() -> Mapping[tuple[str, str], Support]:
    return {
        (type_name, field): Support(level, words)
        for type_name, fields, level, words in _ROWS
        for field in fields.split()
    }


def support_of(type_name: str, field: str) -> Support | None:
    """How a field of a type is served; None for fields of types below those of the table, which
    go where their parent goes."""
    for name in (type_name, *BASES.get(type_name, ())):
        found = _table().get((name, field))
        if found is not None:
            return found
    return None


def types() -> tuple[str, ...]:
    """The types of the table, in its order."""
    return tuple(dict.fromkeys(type_name for type_name, *_ in _ROWS))


def own_fields(type_name: str) -> tuple[str, ...]:
    """The fields that a type has not got from another one of the table."""
    inherited = {name for base in BASES.get(type_name, ()) for name in fields_of(base)}
    return tuple(sorted(fields_of(type_name).keys() - inherited))
