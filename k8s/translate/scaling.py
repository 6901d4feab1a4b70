"""KServe's fields of scaling and batching → umbel's."""

from __future__ import annotations

from typing import Literal

from umbel.graph.options import Batch, Scale
from umbel.k8s.resources.component import Component
from umbel.k8s.resources.inference_graph import InferenceGraphSpec

_UNLIMITED = 100
"""``maxReplicas: 0`` means no limit in KServe; Ray wants a number."""


def scale_of(component: Component | InferenceGraphSpec) -> Scale | None:
    """The scaling that a component or graph asks for, ``None`` if it asks for nothing."""
    fields = (component.min_replicas, component.max_replicas, component.scale_target)
    if not any(value is not None and value != 0 for value in fields) and (
        component.min_replicas is None
    ):
        return None
    least = 1 if component.min_replicas is None else component.min_replicas
    most = component.max_replicas or (_UNLIMITED if component.scale_target else max(least, 1))
    metrics: dict[str, Literal["concurrency", "rps", "cpu", "memory"]] = {
        "concurrency": "concurrency", "rps": "rps", "cpu": "cpu", "memory": "memory",
    }  # fmt: skip
    metric = metrics.get(component.scale_metric or "concurrency", "concurrency")
    target = float(component.scale_target) if component.scale_target else None
    return Scale(least, most, target, metric)


def batch_of(component: Component) -> Batch | None:
    """KServe's batcher. Its defaults: 32 rows, 5,000 ms."""
    batcher = component.batcher
    if batcher is None:
        return None
    return Batch(batcher.max_batch_size or 32, float(batcher.max_latency or 5000))
