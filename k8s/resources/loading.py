"""Reads files of KServe resources: what can be served, and a finding for all that is odd."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from pydantic import ValidationError

from umbel.graph.findings import Finding
from umbel.graph.yaml_source import Document, read_documents
from umbel.k8s.resources import legacy
from umbel.k8s.resources.declared import Declared
from umbel.k8s.resources.explainer import EXPLAINER_BLOCKS
from umbel.k8s.resources.field_check import FieldCheck, FieldProblem, check_fields
from umbel.k8s.resources.inference_graph import InferenceGraphSpec
from umbel.k8s.resources.inference_service import InferenceServiceSpec
from umbel.k8s.resources.kinds import (
    CLUSTER_WIDE,
    PLAIN_KINDS,
    SERVED_KINDS,
    Identity,
    refusal,
)
from umbel.k8s.resources.resource import DEFAULT_NAMESPACE, Resource
from umbel.k8s.resources.serving_runtime import ServingRuntimeSpec
from umbel.k8s.resources.storage_objects import ConfigMap, Secret, ServiceAccount
from umbel.k8s.resources.trained_model import TrainedModelSpec

_MODELS: dict[str, type[Declared]] = {
    "InferenceService": InferenceServiceSpec,
    "InferenceGraph": InferenceGraphSpec,
    "ServingRuntime": ServingRuntimeSpec,
    "ClusterServingRuntime": ServingRuntimeSpec,
    "TrainedModel": TrainedModelSpec,
    "ConfigMap": ConfigMap,
    "Secret": Secret,
    "ServiceAccount": ServiceAccount,
}


@dataclass(frozen=True)
class Loaded:
    """What a set of files declares, in the order it was read.

    A resource with errors is still listed as far as it could be read: look at ``findings``
    (`umbel.graph.findings.has_errors`) before serving anything.
    """

    inference_services: tuple[Resource[InferenceServiceSpec], ...] = ()
    inference_graphs: tuple[Resource[InferenceGraphSpec], ...] = ()
    runtimes: tuple[Resource[ServingRuntimeSpec], ...] = ()
    trained_models: tuple[Resource[TrainedModelSpec], ...] = ()
    config_maps: tuple[Resource[ConfigMap], ...] = ()
    secrets: tuple[Resource[Secret], ...] = ()
    service_accounts: tuple[Resource[ServiceAccount], ...] = ()
    findings: tuple[Finding, ...] = ()

    @property
    def resources(self) -> tuple[Resource[Declared], ...]:
        """All of them."""
        return (
            *self.inference_services,
            *self.inference_graphs,
            *self.runtimes,
            *self.trained_models,
            *self.config_maps,
            *self.secrets,
            *self.service_accounts,
        )


def load(texts: Sequence[tuple[str, str]]) -> Loaded:
    """Read ``(file name, its text)`` pairs. Never raises: what is wrong is a finding."""
    findings: list[Finding] = []
    found: dict[str, list[Resource[Any]]] = {kind: [] for kind in _MODELS}
    for file, text in texts:
        documents, unreadable = read_documents(text, file)
        findings.extend(unreadable)
        for document in documents:
            resource = _admit(document, findings)
            if resource is not None:
                found[resource.kind].append(resource)
    return Loaded(
        inference_services=tuple(found["InferenceService"]),
        inference_graphs=tuple(found["InferenceGraph"]),
        runtimes=(*found["ServingRuntime"], *found["ClusterServingRuntime"]),
        trained_models=tuple(found["TrainedModel"]),
        config_maps=tuple(found["ConfigMap"]),
        secrets=tuple(found["Secret"]),
        service_accounts=tuple(found["ServiceAccount"]),
        findings=tuple(sorted(findings, key=lambda one: (one.place.file, one.place.line))),
    )


def _admit(document: Document, findings: list[Finding]) -> Resource[Any] | None:
    identity = Identity.of(document)
    if isinstance(identity, Finding):
        findings.append(identity)
        return None
    conversion = legacy.convert(document.data, identity.kind, identity.group, identity.version)
    data = conversion.data if conversion else document.data
    kind = data["kind"]
    today = Identity(kind, *str(data["apiVersion"]).rpartition("/")[::2])
    if today.key not in SERVED_KINDS and today.key not in PLAIN_KINDS:
        findings.append(refusal(identity, document))
        return None
    check = check_fields(data, kind)
    resource = _build(document, kind, check, conversion)
    findings.extend(_conversion_findings(resource, conversion))
    findings.extend(_field_findings(resource, check.problems))
    findings.extend(_name_findings(resource))
    findings.extend(_extension_findings(resource))
    return resource


def _build(
    document: Document, kind: str, check: FieldCheck, conversion: legacy.Conversion | None
) -> Resource[Any]:
    data = check.clean
    metadata = data.get("metadata", {})
    body = data if kind in ("ConfigMap", "Secret", "ServiceAccount") else data.get("spec", {})
    model = _MODELS[kind]
    try:
        spec = model.model_validate(body)
    except ValidationError as error:
        for one in error.errors(include_url=False):
            path = (*(() if body is data else ("spec",)), *one["loc"])
            check.problems.append(
                FieldProblem("error", "UMB-K016", path, one["msg"], "correct this field")
            )
        spec = model()
    namespace = "" if kind in CLUSTER_WIDE else metadata.get("namespace") or DEFAULT_NAMESPACE
    return Resource(
        kind,
        metadata.get("name", ""),
        namespace,
        spec,
        data,
        document,
        tuple(conversion.moves) if conversion else (),
        check.broken,
    )


def _conversion_findings(
    resource: Resource[Any], conversion: legacy.Conversion | None
) -> Iterator[Finding]:
    if conversion is None:
        return
    yield Finding(
        "notice",
        "UMB-K014",
        "; ".join(conversion.done),
        resource.document.place("apiVersion"),
        "nothing to do; to silence this, write the resource in today's form",
        resource.subject,
    )
    for path, reason in conversion.lost:
        yield Finding(
            "warning",
            "UMB-K022",
            f"left out while converting: {reason}",
            resource.document.place(path),
            "remove the field",
            resource.subject,
        )


def _field_findings(resource: Resource[Any], problems: Sequence[FieldProblem]) -> Iterator[Finding]:
    for one in problems:
        yield resource.finding(one.severity, one.code, one.path, one.message, one.fix)


def _name_findings(resource: Resource[Any]) -> Iterator[Finding]:
    path = ("metadata", "name")
    if not resource.name and not resource.is_broken(path):
        yield resource.finding(
            "error",
            "UMB-K019",
            path,
            f"this {resource.kind} has no name",
            "add 'name: my-name' below metadata",
        )


def _extension_findings(resource: Resource[Any]) -> Iterator[Finding]:
    if not isinstance(resource.spec, InferenceServiceSpec) or resource.spec.explainer is None:
        return
    for name, _ in resource.spec.explainer.blocks:
        if name in EXPLAINER_BLOCKS[1:]:
            yield resource.finding(
                "notice",
                "UMB-K021",
                ("spec", "explainer", name),
                f"KServe no longer has explainer.{name}; umbel serves it as an extension",
                "nothing to do; today's KServe wants a container in explainer.containers",
            )
