"""Rules about single containers that several resources share."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from umbel.graph.findings import Finding
from umbel.graph.yaml_paths import Path
from umbel.k8s.resources.container import Container
from umbel.k8s.resources.pod import PodSpec
from umbel.k8s.resources.resource import Resource

BLOCKED_VARIABLES = ("PYTHONPATH",)
"""Variables that would let a service replace the serving code; KServe refuses them."""

PARALLEL_SIZES = ("PIPELINE_PARALLEL_SIZE", "TENSOR_PARALLEL_SIZE")

ACCELERATORS = frozenset({"nvidia.com/gpu", "amd.com/gpu", "intel.com/gpu", "habana.ai/gaudi"})

ACCELERATOR_FIX = (
    "use one of "
    + ", ".join(sorted(ACCELERATORS))
    + ", or list it in the annotation serving.kserve.io/gpu-resource-types"
)

_BASIC = frozenset({"cpu", "memory", "storage", "ephemeral-storage"})
_OWN_TYPES = "serving.kserve.io/gpu-resource-types"


def blocked_variables(
    resource: Resource[Any], code: str, pod: PodSpec, path: Path
) -> Iterator[Finding]:
    """A finding for each blocked variable in a pod's containers and init containers."""
    for field, containers in (
        ("containers", pod.containers),
        ("initContainers", pod.init_containers),
    ):
        for index, container in enumerate(containers):
            yield from blocked_in(resource, code, container, (*path, field, index))


def blocked_in(
    resource: Resource[Any], code: str, container: Container, path: Path
) -> Iterator[Finding]:
    """A finding for each blocked variable of one container."""
    for index, variable in enumerate(container.env):
        if variable.name in BLOCKED_VARIABLES:
            yield resource.finding(
                "error",
                code,
                (*path, "env", index),
                f"{variable.name} may not be set: it would replace the server's own code",
                "remove it; install the packages into the image instead",
            )


def unknown_accelerators(container: Container, annotations: Mapping[str, str]) -> tuple[str, ...]:
    """Requested resources that are neither basic nor a GPU type that is known."""
    try:
        listed = json.loads(annotations.get(_OWN_TYPES, "[]"))
    except ValueError:
        listed = []
    own = {str(one) for one in listed} if isinstance(listed, list) else set()
    asked = {*container.resources.limits, *container.resources.requests}
    return tuple(sorted(asked - _BASIC - ACCELERATORS - own))


def parallel_sizes(
    resource: Resource[Any], code: str, path: Path, pipeline: int | None, tensor: int | None
) -> Iterator[Finding]:
    """``pipelineParallelSize`` and ``tensorParallelSize`` must be at least 1."""
    for name, size in (("pipelineParallelSize", pipeline), ("tensorParallelSize", tensor)):
        if size is not None and size < 1:
            yield resource.finding(
                "error",
                code,
                (*path, name),
                f"{name} must be at least 1; got {size}",
                "use 1 or more",
            )
