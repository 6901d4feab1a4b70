"""ServingRuntime and ClusterServingRuntime v1alpha1: which image serves which model format."""

from __future__ import annotations

from collections.abc import Mapping

from pydantic import Field

from umbel.k8s.resources.declared import Declared
from umbel.k8s.resources.pod import PodSpec


class SupportedModelFormat(Declared):
    """``auto_select`` lets KServe choose the runtime; a higher ``priority`` wins."""

    name: str = ""
    version: str | None = None
    auto_select: bool = False
    priority: int | None = None


class RuntimePod(PodSpec):
    """A runtime's pod, whose labels and annotations are copied onto the service's pods."""

    labels: Mapping[str, str] = Field(default_factory=dict)
    annotations: Mapping[str, str] = Field(default_factory=dict)


class RuntimeWorkerSpec(RuntimePod):
    """The worker pods of a runtime that spans several machines."""

    pipeline_parallel_size: int | None = None
    tensor_parallel_size: int | None = None


class ServingRuntimeSpec(RuntimePod):
    """Formats and protocols a runtime offers. No ``protocol_versions`` means all of them."""

    supported_model_formats: tuple[SupportedModelFormat, ...] = ()
    multi_model: bool = False
    disabled: bool = False
    protocol_versions: tuple[str, ...] = ()
    worker_spec: RuntimeWorkerSpec | None = None
