"""Which kinds of resources umbel reads, and what it says about the others."""

from __future__ import annotations

import re
from dataclasses import dataclass

from umbel.graph.findings import Finding
from umbel.graph.yaml_source import Document
from umbel.k8s.resources.field_check import closest, shape_of
from umbel.k8s.resources.legacy import GROUP, OLD_GROUPS

SERVED_KINDS = {
    ("InferenceService", GROUP, "v1beta1"),
    ("InferenceGraph", GROUP, "v1alpha1"),
    ("ServingRuntime", GROUP, "v1alpha1"),
    ("ClusterServingRuntime", GROUP, "v1alpha1"),
    ("TrainedModel", GROUP, "v1alpha1"),
}
"""KServe's resources that umbel serves: (kind, group, version)."""

PLAIN_KINDS = {("ConfigMap", "", "v1"), ("Secret", "", "v1"), ("ServiceAccount", "", "v1")}
"""Kubernetes' own resources that umbel reads settings and credentials from."""

CLUSTER_WIDE = frozenset({"ClusterServingRuntime"})
"""Kinds that stand in no namespace."""

UNSERVED_KINDS = (
    "LLMInferenceService",
    "LLMInferenceServiceConfig",
    "ClusterStorageContainer",
    "LocalModelCache",
    "LocalModelNamespaceCache",
    "LocalModelNode",
    "LocalModelNodeGroup",
    "KernelCache",
    "KernelCacheCapture",
    "KernelCacheNode",
    "KernelCacheNodeGroup",
)
"""Kinds of KServe's group that umbel has no use for."""


@dataclass(frozen=True)
class Identity:
    """A document's kind, API group (empty for Kubernetes' core) and version."""

    kind: str
    group: str
    version: str

    @property
    def key(self) -> tuple[str, str, str]:
        """As `SERVED_KINDS` lists it."""
        return self.kind, self.group, self.version

    @property
    def api_version(self) -> str:
        """As the file writes it."""
        return f"{self.group}/{self.version}" if self.group else self.version

    @staticmethod
    def of(document: Document) -> Identity | Finding:
        """What the document is, or the finding that it is no resource."""
        data = document.data
        if not isinstance(data, dict):
            return Finding(
                "error",
                "UMB-K011",
                f"expected a Kubernetes resource (apiVersion, kind, ...); got {shape_of(data)}",
                document.place(),
                "remove the document, or the stray --- before it",
            )
        for key in ("apiVersion", "kind"):
            value = data.get(key)
            if not isinstance(value, str) or not value:
                got = "it is missing" if value is None else f"got {shape_of(value)}"
                return Finding(
                    "error",
                    "UMB-K011",
                    f"a Kubernetes resource needs {key}; {got}",
                    document.place(key),
                    f"add {key}, as in 'apiVersion: {GROUP}/v1beta1', 'kind: InferenceService'",
                )
        group, _, version = data["apiVersion"].rpartition("/")
        return Identity(data["kind"], group, version)


def refusal(identity: Identity, document: Document) -> Finding:
    """Why umbel does not take the document: not KServe's, not served, or misspelt."""
    kind, ours = identity.kind, identity.group in (GROUP, *OLD_GROUPS)
    if not ours and not re.search(r"serving.*kserve|kserve\.io$|kubeflow\.org$", identity.group):
        known = {one for one, _, _ in SERVED_KINDS}
        if kind in known:
            return _wrong_version(identity, document)
        return Finding(
            "notice",
            "UMB-K010",
            f"{kind} ({identity.api_version}) is ignored",
            document.place("kind"),
            "nothing to do",
            f"{kind} {_name(document)}".strip(),
        )
    if kind in UNSERVED_KINDS:
        return Finding(
            "warning",
            "UMB-K013",
            f"umbel does not serve {kind}; it is ignored",
            document.place("kind"),
            "deploy it with KServe",
            f"{kind} {_name(document)}".strip(),
        )
    return _wrong_version(identity, document)


def _wrong_version(identity: Identity, document: Document) -> Finding:
    versions = {kind: f"{group}/{version}" for kind, group, version in SERVED_KINDS}
    if identity.kind in versions:
        right = versions[identity.kind]
        message = f"{identity.kind} is {right}; got {identity.api_version}"
        return Finding(
            "error",
            "UMB-K012",
            message,
            document.place("apiVersion"),
            f"write 'apiVersion: {right}'",
            f"{identity.kind} {_name(document)}".strip(),
        )
    guess = closest(identity.kind, versions)
    kinds = ", ".join(sorted(versions))
    return Finding(
        "error",
        "UMB-K012",
        f"{identity.api_version} has no kind {identity.kind!r}",
        document.place("kind"),
        f"did you mean {guess!r}?" if guess else f"use one of {kinds}",
    )


def _name(document: Document) -> str:
    metadata = document.data.get("metadata")
    name = metadata.get("name") if isinstance(metadata, dict) else None
    return name if isinstance(name, str) else ""
