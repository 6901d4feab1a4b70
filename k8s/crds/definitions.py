"""The CustomResourceDefinitions of the resources umbel serves, made from their field lists."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from umbel.k8s.crds.field_schema import Schema, schema_of
from umbel.k8s.crds.status_schema import STATUS
from umbel.k8s.resources.field_types import fields_of
from umbel.k8s.resources.legacy import GROUP

READY = ".status.conditions[?(@.type=='Ready')].status"
_TRAFFIC = ".status.components.predictor.traffic"


@dataclass(frozen=True)
class Column:
    """What ``kubectl get`` prints under ``name``."""

    name: str
    path: str
    type: str = "string"

    def as_data(self) -> dict[str, str]:
        """As a CRD writes it."""
        return {"name": self.name, "type": self.type, "jsonPath": self.path}


AGE = Column("Age", ".metadata.creationTimestamp", "date")
URL = (Column("URL", ".status.url"), Column("Ready", READY), AGE)
RUNTIME = (
    Column("Disabled", ".spec.disabled", "boolean"),
    Column("ModelType", ".spec.supportedModelFormats[*].name"),
    Column("Containers", ".spec.containers[*].name"),
    AGE,
)
SERVICE = (
    *URL[:2],
    Column("Prev", f"{_TRAFFIC}[?(@.tag=='prev')].percent", "integer"),
    Column("Latest", f"{_TRAFFIC}[?(@.latestRevision==true)].percent", "integer"),
    Column("PrevRolledoutRevision", f"{_TRAFFIC}[?(@.tag=='prev')].revisionName"),
    Column("LatestReadyRevision", f"{_TRAFFIC}[?(@.latestRevision==true)].revisionName"),
    AGE,
)


@dataclass(frozen=True)
class Kind:
    """One kind as KServe defines it. ``old`` are versions that a conversion webhook serves."""

    kind: str
    plural: str
    version: str
    columns: tuple[Column, ...]
    short: tuple[str, ...] = ()
    has_status: bool = True
    namespaced: bool = True
    old: tuple[str, ...] = ()


KINDS = (
    Kind("InferenceService", "inferenceservices", "v1beta1", SERVICE, ("isvc",), old=("v1alpha2",)),
    Kind("InferenceGraph", "inferencegraphs", "v1alpha1", URL, ("ig",)),
    Kind("ServingRuntime", "servingruntimes", "v1alpha1", RUNTIME, has_status=False),
    Kind(
        "ClusterServingRuntime",
        "clusterservingruntimes",
        "v1alpha1",
        RUNTIME,
        has_status=False,
        namespaced=False,
    ),
    Kind("TrainedModel", "trainedmodels", "v1alpha1", URL, ("tm",)),
)


@dataclass(frozen=True)
class ConversionWebhook:
    """Where the API server has old versions converted. ``ca_bundle``: base64 of the PEM that
    signed the server's certificate; empty where the operator fills it in."""

    service: str
    namespace: str
    path: str = "/convert"
    port: int = 443
    ca_bundle: str = ""

    def as_data(self) -> dict[str, Any]:
        """As a CRD's ``conversion`` writes it."""
        client: dict[str, Any] = {
            "service": {
                "name": self.service,
                "namespace": self.namespace,
                "path": self.path,
                "port": self.port,
            }
        }
        if self.ca_bundle:
            client["caBundle"] = self.ca_bundle
        webhook = {"clientConfig": client, "conversionReviewVersions": ["v1"]}
        return {"strategy": "Webhook", "webhook": webhook}


def crds(conversion: ConversionWebhook | None = None) -> list[dict[str, Any]]:
    """All CRDs. With ``conversion``, the old versions of a kind are served, too."""
    return [_crd(kind, conversion if kind.old else None) for kind in KINDS]


def _crd(kind: Kind, conversion: ConversionWebhook | None) -> dict[str, Any]:
    names: dict[str, Any] = {
        "kind": kind.kind,
        "listKind": f"{kind.kind}List",
        "plural": kind.plural,
        "singular": kind.kind.lower(),
    }
    if kind.short:
        names["shortNames"] = list(kind.short)
    versions = [_version(kind)]
    if conversion is not None:
        versions += [_old_version(kind, version) for version in kind.old]
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {
            "name": f"{kind.plural}.{GROUP}",
            "labels": {"app.kubernetes.io/name": "umbel", "app.kubernetes.io/component": "crd"},
        },
        "spec": {
            "group": GROUP,
            "names": names,
            "scope": "Namespaced" if kind.namespaced else "Cluster",
            **({"conversion": conversion.as_data()} if conversion else {}),
            "versions": versions,
        },
    }


def _version(kind: Kind) -> dict[str, Any]:
    return {
        "name": kind.version,
        "served": True,
        "storage": True,
        "additionalPrinterColumns": [column.as_data() for column in kind.columns],
        "schema": {"openAPIV3Schema": _whole(schema_of(_spec_type(kind.kind)), STATUS[kind.kind])},
        "subresources": {"status": {}} if kind.has_status else {},
    }


def _old_version(kind: Kind, version: str) -> dict[str, Any]:
    open_object = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
    return {
        "name": version,
        "served": True,
        "storage": False,
        "deprecated": True,
        "deprecationWarning": f"{GROUP}/{version} {kind.kind} is deprecated: use {kind.version}",
        "additionalPrinterColumns": [column.as_data() for column in kind.columns],
        "schema": {"openAPIV3Schema": _whole(open_object, open_object)},
        "subresources": {"status": {}} if kind.has_status else {},
    }


def _whole(spec: Schema, status: Schema) -> Schema:
    return {
        "type": "object",
        "properties": {
            "apiVersion": {"type": "string"},
            "kind": {"type": "string"},
            "metadata": {"type": "object"},
            "spec": spec,
            "status": status,
        },
    }


def _spec_type(kind: str) -> str:
    return fields_of(kind)["spec"].base
