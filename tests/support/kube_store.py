"""What a Kubernetes API server keeps, and its rules: versions, generations, conflicts,
finalizers, owners, the status subresource, and a history for watches that can be cut off."""

from __future__ import annotations

import asyncio
import contextlib
import copy
import uuid
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

Object = dict[str, Any]


class Resource(NamedTuple):
    """A served kind. ``status``: it has a status subresource."""

    group: str
    version: str
    plural: str
    kind: str
    namespaced: bool = True
    status: bool = False

    @property
    def api_version(self) -> str:
        return f"{self.group}/{self.version}" if self.group else self.version


RESOURCES = (
    Resource("serving.kserve.io", "v1beta1", "inferenceservices", "InferenceService", True, True),
    Resource("serving.kserve.io", "v1alpha1", "inferencegraphs", "InferenceGraph", True, True),
    Resource("serving.kserve.io", "v1alpha1", "trainedmodels", "TrainedModel", True, True),
    Resource("serving.kserve.io", "v1alpha1", "servingruntimes", "ServingRuntime"),
    Resource(
        "serving.kserve.io", "v1alpha1", "clusterservingruntimes", "ClusterServingRuntime", False
    ),
    Resource("apps", "v1", "controllerrevisions", "ControllerRevision"),
    Resource("apps", "v1", "deployments", "Deployment", True, True),
    Resource("autoscaling", "v2", "horizontalpodautoscalers", "HorizontalPodAutoscaler"),
    Resource("", "v1", "services", "Service"),
    Resource("", "v1", "pods", "Pod", True, True),
    Resource("ray.io", "v1", "rayservices", "RayService", True, True),
    Resource("networking.k8s.io", "v1", "networkpolicies", "NetworkPolicy"),
    Resource("policy", "v1", "poddisruptionbudgets", "PodDisruptionBudget"),
    Resource("coordination.k8s.io", "v1", "leases", "Lease"),
    Resource("apiextensions.k8s.io", "v1", "customresourcedefinitions", "CRD", False),
    Resource(
        "admissionregistration.k8s.io",
        "v1",
        "validatingwebhookconfigurations",
        "ValidatingWebhookConfiguration",
        False,
    ),
    Resource(
        "admissionregistration.k8s.io",
        "v1",
        "mutatingwebhookconfigurations",
        "MutatingWebhookConfiguration",
        False,
    ),
    Resource("", "v1", "namespaces", "Namespace", False),
    Resource("", "v1", "configmaps", "ConfigMap"),
    Resource("", "v1", "secrets", "Secret"),
    Resource("", "v1", "serviceaccounts", "ServiceAccount"),
    Resource("", "v1", "events", "Event"),
)


class Rejected(Exception):
    """An API error: HTTP code, reason and message."""

    def __init__(self, code: int, reason: str, message: str = "") -> None:
        super().__init__(message or reason)
        self.code, self.reason = code, reason


@dataclass(frozen=True)
class Change:
    """One entry of the history."""

    version: int
    resource: Resource
    type: str
    object: Object


@dataclass
class KubeStore:
    """The objects of a cluster. ``writes`` lists what clients changed, ``reads`` every object
    or list they asked for."""

    writes: list[tuple[str, str]] = field(default_factory=list)
    reads: list[str] = field(default_factory=list)
    history: list[Change] = field(default_factory=list)
    oldest: int = 0
    _version: int = 0
    _objects: dict[tuple[Resource, str, str], Object] = field(default_factory=dict)
    _news: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def version(self) -> int:
        return self._version

    def forget_history(self) -> None:
        """Watches from before now get 410."""
        self.oldest = self._version
        self.history.clear()

    def objects(self, resource: Resource, namespace: str = "") -> list[Object]:
        return [
            copy.deepcopy(found)
            for (kind, where, _), found in sorted(self._objects.items(), key=lambda i: i[0][1:])
            if kind == resource and namespace in ("", where)
        ]

    def get(self, resource: Resource, namespace: str, name: str) -> Object:
        found = self._objects.get((resource, namespace, name))
        if found is None:
            raise Rejected(404, "NotFound", f'{resource.plural} "{name}" not found')
        return copy.deepcopy(found)

    async def create(self, resource: Resource, namespace: str, given: Object) -> Object:
        made = copy.deepcopy(given)
        metadata = made.setdefault("metadata", {})
        name = metadata.get("name", "")
        if not name:
            raise Rejected(422, "Invalid", "metadata.name is required")
        if (resource, namespace, name) in self._objects:
            raise Rejected(409, "AlreadyExists", f"{resource.plural} {name} already exists")
        if resource.status:
            made.pop("status", None)
        metadata |= {"uid": str(uuid.uuid4()), "generation": 1}
        metadata["creationTimestamp"] = "2026-01-01T00:00:00Z"
        if resource.namespaced:
            metadata["namespace"] = namespace
        made |= {"apiVersion": resource.api_version, "kind": resource.kind}
        return await self._keep(resource, "ADDED", made)

    async def update(
        self, resource: Resource, old: Object, new: Object, *, status: bool = False
    ) -> Object:
        """``old`` becomes ``new``, as the main resource or its status allow it."""
        sent = new.get("metadata", {}).get("resourceVersion")
        if sent not in (None, "", old["metadata"]["resourceVersion"]):
            raise Rejected(409, "Conflict", "the object has been modified; please apply again")
        merged = copy.deepcopy(new)
        kept = {k: old["metadata"][k] for k in ("uid", "creationTimestamp", "generation", "name")}
        if status:
            merged = {**copy.deepcopy(old), "status": merged.get("status", {})}
        elif resource.status:
            merged.pop("status", None)
            if "status" in old:
                merged["status"] = copy.deepcopy(old["status"])
        merged["metadata"] = {**merged.get("metadata", {}), **kept}
        if "deletionTimestamp" in old["metadata"]:
            merged["metadata"]["deletionTimestamp"] = old["metadata"]["deletionTimestamp"]
        if merged.get("spec") != old.get("spec"):
            merged["metadata"]["generation"] = old["metadata"]["generation"] + 1
        merged["metadata"]["resourceVersion"] = old["metadata"]["resourceVersion"]
        if merged == old:
            return old
        gone = merged["metadata"].get("deletionTimestamp")
        if gone and not merged["metadata"].get("finalizers"):
            return await self._remove(resource, merged)
        return await self._keep(resource, "MODIFIED", merged)

    async def delete(self, resource: Resource, old: Object) -> Object:
        if old["metadata"].get("finalizers"):
            if "deletionTimestamp" in old["metadata"]:
                return old
            going = copy.deepcopy(old)
            going["metadata"]["deletionTimestamp"] = "2026-01-01T00:00:01Z"
            return await self._keep(resource, "MODIFIED", going)
        return await self._remove(resource, old)

    async def wait(self, version: int, timeout: float) -> None:
        """Until something newer than ``version`` happened, or time is up."""
        if self._version <= version:
            with contextlib.suppress(asyncio.TimeoutError):
                await asyncio.wait_for(self._news.wait(), timeout)

    def since(self, version: int, resource: Resource) -> Iterator[Change]:
        return (c for c in self.history if c.version > version and c.resource == resource)

    async def _keep(self, resource: Resource, type_: str, made: Object) -> Object:
        metadata = made["metadata"]
        self._version += 1
        metadata["resourceVersion"] = str(self._version)
        key = (resource, metadata.get("namespace", ""), metadata["name"])
        self._objects[key] = made
        self._record(resource, type_, made)
        return copy.deepcopy(made)

    async def _remove(self, resource: Resource, old: Object) -> Object:
        metadata = old["metadata"]
        self._objects.pop((resource, metadata.get("namespace", ""), metadata["name"]), None)
        self._version += 1
        metadata["resourceVersion"] = str(self._version)
        self._record(resource, "DELETED", old)
        for (kind, _, _), one in list(self._objects.items()):  # the garbage collector
            owners = one["metadata"].get("ownerReferences") or ()
            if any(owner.get("uid") == metadata["uid"] for owner in owners):
                await self.delete(kind, one)
        return old

    def _record(self, resource: Resource, type_: str, made: Object) -> None:
        self.history.append(Change(self._version, resource, type_, copy.deepcopy(made)))
        self._news.set()
        self._news = asyncio.Event()


def merge(before: Any, change: Any) -> Any:
    """RFC 7386."""
    if not isinstance(change, Mapping):
        return change
    result = dict(before) if isinstance(before, Mapping) else {}
    for key, value in change.items():
        if value is None:
            result.pop(key, None)
        else:
            result[key] = merge(result.get(key), value)
    return result
