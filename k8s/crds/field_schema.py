"""The field lists as structural OpenAPI schemas, by Kubernetes' rules for CRDs.

Nothing is stricter than in KServe's own CRDs: an object that they take, these take.
"""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from typing import Any

from umbel.k8s.resources import component, inference_graph, inference_service, predictor
from umbel.k8s.resources.declared import Declared
from umbel.k8s.resources.explainer import Explainer, ExplainerBlock
from umbel.k8s.resources.field_types import FieldType, fields_of
from umbel.k8s.resources.serving_runtime import ServingRuntimeSpec, SupportedModelFormat
from umbel.k8s.resources.trained_model import SharedModel, TrainedModelSpec

Schema = dict[str, Any]

QUANTITY = (
    r"^(\+|-)?(([0-9]+(\.[0-9]*)?)|(\.[0-9]+))(([KMGTPE]i)|[numkMGTPE]|([eE](\+|-)?"
    r"(([0-9]+(\.[0-9]*)?)|(\.[0-9]+))))?$"
)
"""Kubernetes' quantities: ``500m``, ``2Gi``, ``1e3``."""

LIST_KEYS: Mapping[tuple[str, str], tuple[str, ...]] = {
    ("env", "EnvVar"): ("name",),
    ("ports", "ContainerPort"): ("containerPort", "protocol"),
    ("claims", "ResourceClaimRef"): ("name",),
    ("volumeDevices", "VolumeDevice"): ("devicePath",),
    ("volumeMounts", "VolumeMount"): ("mountPath",),
    ("resourceClaims", "ResourceClaim"): ("name",),
    ("schedulingGates", "NameRef"): ("name",),
    ("topologySpreadConstraints", "SpreadConstraint"): ("topologyKey", "whenUnsatisfiable"),
}
"""Lists whose entries a server-side apply merges by these keys: (field, type) → keys."""

UNKEYED = frozenset({("BuiltInAdapter", "env")})
"""(type, field) of lists that KServe does not merge, though others of the name are."""

DEFAULTS: Mapping[tuple[str, str], Any] = {("ContainerPort", "protocol"): "TCP"}
"""A merge key has to be there: (type, field) → default."""

BOUNDS: Mapping[tuple[str, str], Schema] = {
    ("Canary", "trafficPercent"): {"minimum": 0, "maximum": 100},
    ("Predictor", "name"): {"pattern": "^[a-z]([-a-z0-9]*[a-z0-9])?$"},
}

MODELS: Mapping[str, type[Declared]] = {
    "AutoScaling": component.AutoScaling,
    "Batcher": component.Batcher,
    "Logger": component.Logger,
    "LoggerStorage": component.LoggerStorage,
    "MetricTarget": component.MetricTarget,
    "StorageUri": component.StorageUri,
    "Canary": inference_service.Canary,
    "InferenceServiceSpec": inference_service.InferenceServiceSpec,
    "Transformer": inference_service.Transformer,
    "Confidential": predictor.Confidential,
    "FrameworkModel": predictor.FrameworkModel,
    "Model": predictor.Model,
    "ModelFormat": predictor.ModelFormat,
    "ModelStorage": predictor.ModelStorage,
    "Predictor": predictor.Predictor,
    "WorkerSpec": predictor.WorkerSpec,
    "Explainer": Explainer,
    "ArtExplainer": ExplainerBlock,
    "AlibiExplainer": ExplainerBlock,
    "InferenceGraphSpec": inference_graph.InferenceGraphSpec,
    "Router": inference_graph.GraphNode,
    "RouterTimeouts": inference_graph.RouterTimeouts,
    "Step": inference_graph.GraphStep,
    "ServingRuntimeSpec": ServingRuntimeSpec,
    "SupportedModelFormat": SupportedModelFormat,
    "TrainedModelSpec": TrainedModelSpec,
    "TrainedModelModel": SharedModel,
}
"""Type → the model whose docstring says what it is: what ``kubectl explain`` prints."""


def schema_of(type_name: str) -> Schema:
    """The schema of a type of the field lists, with all types in it."""
    fields = fields_of(type_name)
    schema: Schema = {"type": "object"}
    if type_name in MODELS:
        schema["description"] = inspect.getdoc(MODELS[type_name])
    required = sorted(name for name, kind in fields.items() if kind.required)
    if required:
        schema["required"] = required
    schema["properties"] = {
        name: {
            **_field(type_name, name, kind),
            **BOUNDS.get((type_name, name), {}),
            **_default(type_name, name),
        }
        for name, kind in sorted(fields.items())
    }
    return schema


def _default(type_name: str, name: str) -> Schema:
    found = DEFAULTS.get((type_name, name))
    return {} if found is None else {"default": found}


def _field(owner: str, name: str, kind: FieldType) -> Schema:
    one = schema_of(kind.base) if fields_of(kind.base) else _scalar(kind)
    if kind.form == "map":
        return {"type": "object", "additionalProperties": one}
    if kind.form == "list":
        return {"type": "array", "items": one, **_list_type(owner, name, kind)}
    return one


def _list_type(owner: str, name: str, kind: FieldType) -> Schema:
    keys = LIST_KEYS.get((name, kind.base))
    if keys is None or (owner, name) in UNKEYED:
        return {"x-kubernetes-list-type": "atomic"}
    return {"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": list(keys)}


def _scalar(kind: FieldType) -> Schema:
    if kind.base == "any":
        return {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
    if kind.base in ("quantity", "intstr"):
        return {
            "anyOf": [{"type": "integer"}, {"type": "string"}],
            **({"pattern": QUANTITY} if kind.base == "quantity" else {}),
            "x-kubernetes-int-or-string": True,
        }
    if kind.base in ("int32", "int64"):
        return {"type": "integer", "format": kind.base}
    if kind.base == "enum":
        return {"type": "string", "enum": list(kind.choices)}
    return {"type": kind.base}
