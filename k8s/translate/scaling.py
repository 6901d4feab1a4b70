"""KServe's fields of scaling and batching → umbel's."""

from __future__ import annotations

import math
from collections.abc import Mapping
from types import MappingProxyType
from typing import Literal

from umbel.graph.options import Batch, Scale
from umbel.k8s.resources.component import Component
from umbel.k8s.resources.inference_graph import InferenceGraphSpec

_UNLIMITED = 100
"""``maxReplicas: 0`` means no limit in KServe; Ray wants a number."""


KNATIVE = "autoscaling.knative.dev/"
TARGET, METRIC = f"{KNATIVE}target", f"{KNATIVE}metric"
"""Knative's own annotations, which KServe passes on; the fields win over them."""

_NONE: Mapping[str, str] = MappingProxyType({})


def scale_of(
    component: Component | InferenceGraphSpec, annotations: Mapping[str, str] = _NONE
) -> Scale | None:
    """The scaling that a component or graph asks for, ``None`` if it asks for nothing.
    ``annotations``: those of the service and the component, where Knative's count."""
    asked = component.scale_target or _number(annotations.get(TARGET, ""))
    fields = (component.min_replicas, component.max_replicas, asked)
    if not any(value is not None and value != 0 for value in fields) and (
        component.min_replicas is None
    ):
        return None
    least = 1 if component.min_replicas is None else component.min_replicas
    most = component.max_replicas or (_UNLIMITED if asked else max(least, 1))
    metrics: dict[str, Literal["concurrency", "rps", "cpu", "memory"]] = {
        "concurrency": "concurrency", "rps": "rps", "cpu": "cpu", "memory": "memory",
    }  # fmt: skip
    named = component.scale_metric or annotations.get(METRIC) or "concurrency"
    metric = metrics.get(named, "concurrency")
    target = float(asked) if asked else None
    return Scale(least, most, target, metric)


def _number(text: str) -> float:
    """0 for what is none: Knative would refuse it."""
    try:
        value = float(text)
    except ValueError:
        return 0.0
    return value if math.isfinite(value) and value > 0 else 0.0


def batch_of(component: Component) -> Batch | None:
    """KServe's batcher. Its defaults: 32 rows, 5,000 ms."""
    batcher = component.batcher
    if batcher is None:
        return None
    return Batch(batcher.max_batch_size or 32, float(batcher.max_latency or 5000))
