"""What is left of a service for the Ray cluster when components run in containers, and what
those do not get."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from typing import Any

from umbel.graph.findings import Finding
from umbel.graph.yaml_paths import Path
from umbel.k8s.resources import InferenceServiceSpec, Loaded, Resource
from umbel.k8s.resources.component import Component
from umbel.k8s.resources.field_types import fields_of
from umbel.k8s.translate.containers import in_containers

CODE = "UMB-K531"

_KEPT = (
    "annotations",
    "canaryTrafficPercent",
    "labels",
    "logger",
    "maxReplicas",
    "minReplicas",
    "timeout",
)
"""Fields of a component that are not its pod's."""


def for_the_ray_cluster(spec: Mapping[str, Any], containers: Collection[str]) -> dict[str, Any]:
    """The service's spec without the pods of what runs in containers."""
    return {
        name: {key: value for key, value in given.items() if key in _KEPT}
        if name in containers and isinstance(given, Mapping)
        else given
        for name, given in spec.items()
    }


def has_it(path: Path, containers: Collection[str]) -> bool:
    """Whether the field at ``path`` belongs to a container, which has every field of a pod."""
    if len(path) < 3 or path[1] not in containers:
        return False
    last = path[-1]
    pods = {*fields_of("PodSpec"), *fields_of("Container"), "autoScaling"}
    return isinstance(last, int) or last in pods


def left_out_of_containers(loaded: Loaded) -> Iterator[Finding]:
    """A warning for each thing that a component asks for and a container does not get."""
    for service in loaded.inference_services:
        chosen = in_containers(service, loaded)
        for name, component in service.spec.components:
            if name in chosen:
                yield from _of_one(service, component, ("spec", name))


def _of_one(
    service: Resource[InferenceServiceSpec], component: Component, path: Path
) -> Iterator[Finding]:
    def told(field: str, message: str, fix: str) -> Finding:
        return service.finding("warning", CODE, (*path, field), message, fix)

    if component.min_replicas == 0:
        yield told(
            "minReplicas",
            "a container does not sleep: nothing would wake its Deployment, so one replica stays",
            "minReplicas: 1",
        )
    if component.batcher is not None:
        yield told(
            "batcher",
            "requests go on to the container one by one, as they came: they are not joined",
            "remove it, or let the server in the container batch",
        )
    least = 1 if component.min_replicas is None else component.min_replicas
    scales = component.max_replicas > max(1, least)
    if scales and component.scale_metric in ("concurrency", "rps"):
        yield told(
            "scaleMetric",
            f"containers are scaled by CPU or memory, not by {component.scale_metric}: "
            "80 % CPU is kept to",
            "scaleMetric: cpu",
        )
    metrics = component.auto_scaling.metrics if component.auto_scaling else ()
    if any(one.resource is None for one in metrics):
        yield told(
            "autoScaling",
            "containers are scaled by CPU or memory: other metrics are not asked",
            "use metrics of type Resource",
        )
