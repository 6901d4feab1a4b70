"""What predictor, transformer and explainer have in common besides their pod."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import Field

from umbel.k8s.resources.container import Quantity
from umbel.k8s.resources.declared import Declared
from umbel.k8s.resources.pod import PodSpec


class LoggerStorage(Declared):
    """Where logged payloads are stored (instead of being posted to ``url``)."""

    path: str | None = None
    parameters: Mapping[str, str] | None = None
    key: str | None = None
    service_account_name: str = ""


class Logger(Declared):
    """Payload logging. ``mode`` is all, request or response; KServe refuses none at all."""

    mode: str = ""
    url: str = ""
    metadata_headers: tuple[str, ...] = ()
    metadata_annotations: tuple[str, ...] = ()
    storage: LoggerStorage | None = None
    marshaller_url: str = ""
    batch_size: int | None = None
    batch_interval: str = ""


class Batcher(Declared):
    """Micro-batching: a batch goes out at ``max_batch_size`` or after ``max_latency`` ms."""

    max_batch_size: int | None = None
    max_latency: int | None = None
    timeout: int | None = None


class MetricTarget(Declared):
    """The value an autoscaler steers to. ``type``: Utilization, AverageValue or Value."""

    type: str = ""
    value: Quantity | None = None
    average_value: Quantity | None = None
    average_utilization: int | None = None


class ScalingMetric(Declared):
    """One ``autoScaling.metrics`` entry; the part named by ``type`` is the one that counts."""

    class Source(Declared):
        """``name`` is set for resources, ``metric`` for external and pod metrics."""

        name: str = ""
        metric: Mapping[str, Any] = Field(default_factory=dict)
        target: MetricTarget = MetricTarget()

    type: str = ""
    resource: Source | None = None
    external: Source | None = None
    podmetric: Source | None = None


class AutoScaling(Declared):
    """Scaling by several metrics (HPA and KEDA)."""

    metrics: tuple[ScalingMetric, ...] = ()
    behavior: Mapping[str, Any] | None = None


class StorageUri(Declared):
    """One of several things to download, and where it appears."""

    uri: str = ""
    mount_path: str = "/mnt/models"


class Component(PodSpec):
    """A pod with KServe's scaling, logging and batching. Times are in seconds.

    ``max_replicas`` 0 means no limit; ``min_replicas`` None means 1 and 0 scales to zero.
    """

    min_replicas: int | None = None
    max_replicas: int = 0
    scale_target: int | None = None
    scale_metric: str | None = None
    scale_metric_type: str | None = None
    auto_scaling: AutoScaling | None = None
    container_concurrency: int | None = None
    timeout: int | None = None
    canary_traffic_percent: int | None = None
    logger: Logger | None = None
    batcher: Batcher | None = None
    labels: Mapping[str, str] = Field(default_factory=dict)
    annotations: Mapping[str, str] = Field(default_factory=dict)
    deployment_strategy: Mapping[str, Any] | None = None
    storage_uris: tuple[StorageUri, ...] = ()
