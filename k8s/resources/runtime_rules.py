"""The rules of KServe's ServingRuntime webhook, within one runtime and between two."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence

from umbel.graph.findings import Finding, Severity
from umbel.graph.yaml_paths import Path
from umbel.k8s.resources.container import Container
from umbel.k8s.resources.container_rules import (
    ACCELERATOR_FIX,
    PARALLEL_SIZES,
    blocked_variables,
    parallel_sizes,
    unknown_accelerators,
)
from umbel.k8s.resources.resource import Resource
from umbel.k8s.resources.runtimes import Runtime, built_in_runtimes
from umbel.k8s.resources.serving_runtime import ServingRuntimeSpec

RuntimeResource = Resource[ServingRuntimeSpec]


def runtime_findings(resource: RuntimeResource) -> Iterator[Finding]:
    """What is wrong with one runtime. A disabled one is not looked at, as in KServe."""
    spec = resource.spec
    if spec.disabled:
        return
    yield from _priorities(resource)
    yield from blocked_variables(resource, "UMB-K307", spec, ("spec",))
    if spec.worker_spec is not None:
        yield from blocked_variables(resource, "UMB-K307", spec.worker_spec, ("spec", "workerSpec"))
        yield from _workers(resource)


def shared_priorities(resources: Sequence[RuntimeResource]) -> Iterator[Finding]:
    """Runtimes of one scope that KServe could not choose between."""
    for first, second in itertools.combinations(resources, 2):
        if (first.kind, first.namespace) == (second.kind, second.namespace):
            yield from _clash(second, Runtime.of(first), "error", f"{first.kind} {first.name!r}")
    cluster = [one for one in resources if not one.namespace]
    taken = {one.name for one in cluster}
    for resource in cluster:
        for built_in in built_in_runtimes():
            if built_in.name not in taken:
                yield from _clash(resource, built_in, "warning", f"KServe's own {built_in.name!r}")


def _clash(
    resource: RuntimeResource, other: Runtime, severity: Severity, whose: str
) -> Iterator[Finding]:
    spec, there = resource.spec, other.spec
    if resource.name == other.name or spec.disabled or there.disabled:
        return
    if spec.multi_model != there.multi_model:
        return
    if not set(spec.protocol_versions) & set(there.protocol_versions):
        return
    for index, one in enumerate(spec.supported_model_formats):
        for two in there.supported_model_formats:
            if (
                one.auto_select
                and two.auto_select
                and one.name.lower() == two.name.lower()
                and one.version == two.version
                and one.priority is not None
                and one.priority == two.priority
            ):
                yield resource.finding(
                    severity,
                    "UMB-K302",
                    ("spec", "supportedModelFormats", index, "priority"),
                    f"{whose} also has priority {one.priority} for {one.name} "
                    f"{one.version or '(any version)'} and a protocol in common; KServe refuses "
                    "the second of the two",
                    "use another priority (the higher one wins) or set autoSelect: false",
                )


def _priorities(resource: RuntimeResource) -> Iterator[Finding]:
    first: dict[str, int] = {}
    for index, one in enumerate(resource.spec.supported_model_formats):
        path: Path = ("spec", "supportedModelFormats", index, "priority")
        if one.priority is not None and one.priority < 1:
            yield resource.finding(
                "error",
                "UMB-K308",
                path,
                f"the priority of {one.name} must be at least 1; got {one.priority}",
                "use 1 or more; the higher one wins",
            )
        if not one.auto_select or one.priority is None:
            continue
        if first.setdefault(one.name, one.priority) != one.priority:
            yield resource.finding(
                "error",
                "UMB-K301",
                path,
                f"{one.name} has priority {one.priority} here and {first[one.name]} above",
                "give all versions of a format the same priority",
            )


def _workers(resource: RuntimeResource) -> Iterator[Finding]:
    spec, path = resource.spec, ("spec", "workerSpec")
    worker = spec.worker_spec
    if worker is None:
        return
    if len(worker.containers) != 1 and not resource.is_broken((*path, "containers")):
        yield resource.finding(
            "error",
            "UMB-K303",
            (*path, "containers"),
            f"workerSpec must have exactly one container; got {len(worker.containers)}",
            "keep the container named 'worker-container'",
        )
    yield from parallel_sizes(
        resource, "UMB-K304", path, worker.pipeline_parallel_size, worker.tensor_parallel_size
    )
    head = spec.container("kserve-container")
    for name in PARALLEL_SIZES:
        if head is not None and head.env_value(name) is not None:
            yield resource.finding(
                "error",
                "UMB-K304",
                ("spec", "containers"),
                f"{name} must not be set in the environment of 'kserve-container'",
                "set pipelineParallelSize or tensorParallelSize in workerSpec",
            )
    for place, container in (
        ("containers", head),
        ("workerSpec", worker.container("worker-container")),
    ):
        if container is not None:
            yield from _accelerators(resource, container, ("spec", place))


def _accelerators(resource: RuntimeResource, container: Container, path: Path) -> Iterator[Finding]:
    for kind in unknown_accelerators(container, resource.spec.annotations):
        yield resource.finding(
            "error",
            "UMB-K304",
            path,
            f"unknown GPU resource {kind!r} in container {container.name!r}",
            ACCELERATOR_FIX,
        )
