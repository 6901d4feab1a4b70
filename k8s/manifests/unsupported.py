"""Warnings about fields in use that umbel has no use for: nothing is dropped in silence."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from typing import Any

from umbel.graph.findings import Finding
from umbel.graph.yaml_paths import Path, path_text
from umbel.k8s.manifests.containers.remaining import has_it, left_out_of_containers
from umbel.k8s.manifests.field_support import ANNOTATIONS, NO_GRPC_V1, support_of
from umbel.k8s.manifests.grpc_access import asking_for
from umbel.k8s.manifests.shared_pods import ADDED, CARRIED, HELPERS, WORDS
from umbel.k8s.resources import Loaded, Resource
from umbel.k8s.resources.field_types import fields_of
from umbel.k8s.translate.containers import in_containers
from umbel.k8s.translate.scaling import KNATIVE

CODE = "UMB-K710"

_FOR_ALL = "the predictor's counts for the whole service"

_SERVED = ("InferenceService", "InferenceGraph", "TrainedModel")


def unsupported(loaded: Loaded) -> list[Finding]:
    """A warning for each field of a served resource that has no effect here, once: not for the
    fields inside it. Runtimes are left out: theirs is the pod, which is KServe's."""
    containers = {one.name: in_containers(one, loaded) for one in loaded.inference_services}
    found = [
        finding
        for resource in loaded.resources
        if resource.kind in _SERVED
        for finding in _findings(
            resource, containers.get(resource.name, {}) if resource.kind == _SERVED[0] else {}
        )
    ]
    return [*found, *left_out_of_containers(loaded)]


def _findings(resource: Resource[Any], containers: Collection[str]) -> Iterator[Finding]:
    kind = fields_of(resource.kind)["spec"].base
    spec = resource.data.get("spec")
    service = resource.kind == "InferenceService"
    shared = _in_shared_pods(spec, containers) if service else ()
    grpc = _grpc(spec) if service else ()
    noted = _annotations(resource)
    for path, words in (*noted, *_unused(spec, kind, ("spec",)), *shared, *grpc):
        if has_it(path, containers):
            continue
        yield resource.finding(
            "warning",
            CODE,
            path,
            f"{path_text(path)} has no effect here: {words}",
            "remove it, or see docs/migration-from-kserve.md",
        )


def _annotations(resource: Resource[Any]) -> Iterator[tuple[Path, str]]:
    """Knative's own, but for those that umbel reads."""
    support = ANNOTATIONS["autoscaling.knative.dev/*"]
    for name in resource.annotations:
        if name.startswith(KNATIVE) and name not in ANNOTATIONS:
            yield ("metadata", "annotations", name), support.words


def _grpc(spec: Any) -> Iterator[tuple[Path, str]]:
    """Model blocks that ask for the one protocol that no model speaks."""
    for name in asking_for(spec, "grpc-v1"):
        yield ("spec", "predictor", name, "protocolVersion"), NO_GRPC_V1


def _in_shared_pods(spec: Any, containers: Collection[str]) -> Iterator[tuple[Path, str]]:
    """Fields of a transformer's or explainer's pod that only the predictor's can say."""
    if not isinstance(spec, Mapping) or not spec.get("predictor"):
        return
    for name in HELPERS:
        given = spec.get(name)
        for field in given if isinstance(given, Mapping) else ():
            support = support_of("PodSpec", field)
            ours = support is not None and support.level == "same"
            if field == "canaryTrafficPercent":
                yield ("spec", name, field), _FOR_ALL
            elif name in containers:
                continue
            elif ours and field not in ADDED | CARRIED:
                yield ("spec", name, field), WORDS
            elif field == "batcher":
                yield ("spec", name, field), _FOR_ALL
            elif field == "storageUris":
                yield (
                    ("spec", name, field),
                    "files are fetched for models and containers only",
                )


def _unused(value: Any, type_name: str, path: Path) -> Iterator[tuple[Path, str]]:
    if not isinstance(value, Mapping):
        return
    fields = fields_of(type_name)
    for name, given in value.items():
        support, kind = support_of(type_name, name), fields.get(name)
        if support is None or kind is None:
            continue
        if support.level == "none":
            yield (*path, name), support.words
        elif kind.form == "one":
            yield from _unused(given, kind.base, (*path, name))
        elif kind.form == "list" and isinstance(given, list):
            for index, entry in enumerate(given):
                if name == "storageUris" and index:
                    yield (*path, name, index), "the first is the model; the others are not read"
                    continue
                yield from _unused(entry, kind.base, (*path, name, index))
        elif isinstance(given, Mapping):
            for key, entry in given.items():
                yield from _unused(entry, kind.base, (*path, name, key))
