"""KServe's resources: reading them, checking them, and choosing their serving runtimes.

Read and check files, then look for errors::

    loaded = load([("graph.yaml", text)])            # never raises
    findings = (*loaded.findings, *validate(loaded))
    has_errors(findings)                             # umbel.graph.findings

`load` gives a `Loaded`: ``inference_services``, ``inference_graphs``, ``runtimes``,
``trained_models``, ``config_maps``, ``secrets``, ``service_accounts`` and ``findings``. Each
entry is a `Resource`: ``kind``, ``name``, ``namespace``, ``labels``, ``annotations``, the typed
``spec``, the plain ``data``, and ``place("spec.nodes.root")`` for the line of any field. Old API
versions are converted while reading; ``spec`` and ``data`` are always of today's version.

`validate` adds everything KServe refuses (errors), what can never work (errors), and what KServe
runs though it looks like a mistake (warnings). `available_runtimes` and `select_runtime` choose
a serving runtime as KServe does. `CODES` says what each finding code means.

Pure: standard library, pydantic and PyYAML only. The typed forms are in the modules named after
them: `inference_service`, `predictor`, `explainer`, `component`, `pod`, `container`,
`inference_graph`, `serving_runtime`, `trained_model`, `storage_objects`.
"""

from __future__ import annotations

from umbel.k8s.resources.codes import CODES
from umbel.k8s.resources.inference_graph import InferenceGraphSpec
from umbel.k8s.resources.inference_service import InferenceServiceSpec
from umbel.k8s.resources.loading import Loaded, load
from umbel.k8s.resources.model_rules import runtime_of
from umbel.k8s.resources.resource import Resource
from umbel.k8s.resources.runtimes import (
    Runtime,
    RuntimeChoice,
    available_runtimes,
    built_in_runtimes,
    select_runtime,
)
from umbel.k8s.resources.serving_runtime import ServingRuntimeSpec
from umbel.k8s.resources.storage_objects import ConfigMap, Secret, ServiceAccount
from umbel.k8s.resources.trained_model import TrainedModelSpec
from umbel.k8s.resources.validation import validate

__all__ = [
    "CODES",
    "ConfigMap",
    "InferenceGraphSpec",
    "InferenceServiceSpec",
    "Loaded",
    "Resource",
    "Runtime",
    "RuntimeChoice",
    "Secret",
    "ServiceAccount",
    "ServingRuntimeSpec",
    "TrainedModelSpec",
    "available_runtimes",
    "built_in_runtimes",
    "load",
    "runtime_of",
    "select_runtime",
    "validate",
]
