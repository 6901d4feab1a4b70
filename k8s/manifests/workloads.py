"""A resource on its way to a cluster: what its pods need, read from its spec and its plan."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from umbel.graph.options import Scale
from umbel.graph.plan import Deployment, Plan
from umbel.k8s.manifests.serve_config import INGRESS, replica_counts

Object = dict[str, Any]

CPU, MEMORY = "1", "2Gi"
"""What a pod of a component gets that asks for nothing: KServe's defaults."""

SMALL: Mapping[str, Mapping[str, Any]] = {
    "requests": {"cpu": CPU, "memory": MEMORY},
    "limits": {"cpu": CPU, "memory": MEMORY},
}

GPUS = ("nvidia.com/gpu", "amd.com/gpu", "habana.ai/gaudi", "google.com/tpu")

IMAGE = "umbel.dev/image"
"""Annotation: the image of this resource's pods, where its classes need more than umbel."""

LONGEST_NAME = 47
"""KubeRay appends six characters to a RayService's name; a Service's has at most 53."""

HANDED_ON = (
    "affinity",
    "dnsConfig",
    "dnsPolicy",
    "hostAliases",
    "imagePullSecrets",
    "nodeName",
    "nodeSelector",
    "priorityClassName",
    "runtimeClassName",
    "schedulerName",
    "tolerations",
    "topologySpreadConstraints",
    "volumes",
)
"""Fields of a component's pod that become fields of the worker pods."""


@dataclass(frozen=True)
class Group:
    """Worker pods of one size. ``replicas`` are those of the deployment that fills one each."""

    name: str
    deployment: str
    replicas: Scale
    resources: Mapping[str, Mapping[str, Any]]
    accelerator: str | None = None
    labels: Mapping[str, str] = field(default_factory=dict)
    """Ray's labels of the pods' nodes, which the deployment selects them by."""

    @property
    def cpus(self) -> float:
        """CPUs of one pod: the limit, as KubeRay tells Ray."""
        limits = {**self.resources.get("requests", {}), **self.resources.get("limits", {})}
        return quantity(limits.get("cpu", CPU))


@dataclass(frozen=True)
class Workload:
    """One InferenceService or InferenceGraph with the plan it is served by.

    ``spec`` is the resource's as plain data. ``env``, ``volumes`` and ``mounts`` are added to
    the worker pods: credentials, claims.
    """

    kind: str
    api_version: str
    name: str
    namespace: str
    spec: Mapping[str, Any]
    plan: Plan
    labels: Mapping[str, str] = field(default_factory=dict)
    annotations: Mapping[str, str] = field(default_factory=dict)
    uid: str = ""
    env: tuple[Object, ...] = ()
    volumes: tuple[Object, ...] = ()
    mounts: tuple[Object, ...] = ()

    @property
    def ray_name(self) -> str:
        """The RayService's name: the resource's, cut where it is too long for KubeRay."""
        return short_name(self.name)

    def image(self, default: str) -> str:
        """The image of its pods."""
        return str(self.annotations.get(IMAGE) or default)

    @property
    def pod(self) -> Mapping[str, Any]:
        """The spec that has the pod's fields: the predictor's, or a graph's own."""
        return self.spec.get("predictor", {}) if self.kind == "InferenceService" else self.spec

    @property
    def service(self) -> Mapping[str, Any]:
        """The spec of an InferenceService; nothing for a graph."""
        return self.spec if self.kind == "InferenceService" else {}

    @property
    def container(self) -> Mapping[str, Any]:
        """The container whose resources and environment the workers get: the model block, or
        the user's own container."""
        if self.kind != "InferenceService":
            return {"resources": self.spec.get("resources", {})}
        blocks = [b for b in self.pod.values() if isinstance(b, Mapping) and _is_model(b)]
        named: Iterable[Any] = self.pod.get("containers") or ()
        own = [c for c in named if c.get("name") != "transformer-container"]
        found: list[Mapping[str, Any]] = [*blocks, *own, {}]
        return found[0]

    @property
    def account(self) -> str:
        """The ServiceAccount of the workers, empty where the resource names none."""
        return str(self.pod.get("serviceAccountName") or self.pod.get("serviceAccount") or "")

    def groups(self) -> tuple[Group, ...]:
        """The worker groups: one for the graph's own replicas, one for each deployment apart."""
        counts = replica_counts(self.plan, self.plan.program.served[0])
        resources = self._resources()
        apart = self.plan.deployments
        # What the model asks for, it needs where it runs.
        own = SMALL if any(one.resources.asked for one in apart) else resources
        ingress = Group("serve", INGRESS, counts[INGRESS], own)
        return (ingress, *(_group_of(one, counts[one.name], resources) for one in apart))

    def _resources(self) -> Mapping[str, Mapping[str, Any]]:
        asked = self.container.get("resources") or {}
        given = {key: _told(asked.get(key) or {}) for key in ("requests", "limits")}
        defaults = {"cpu": CPU, "memory": MEMORY}
        requests = {**defaults, **given["limits"], **given["requests"]}
        return {"requests": requests, "limits": {**requests, **given["limits"]}}


def _told(sizes: Mapping[str, Any]) -> dict[str, Any]:
    """A quantity is a text or a whole number to KubeRay's CRD: ``cpu: 0.1`` is none."""
    return {key: str(one) if isinstance(one, float) else one for key, one in sizes.items()}


def short_name(name: str) -> str:
    """A resource's name, cut where it is too long for KubeRay."""
    if len(name) <= LONGEST_NAME:
        return name
    digest = hashlib.sha256(name.encode()).hexdigest()[:8]
    return f"{name[: LONGEST_NAME - 9].rstrip('-')}-{digest}"


def _is_model(block: Mapping[str, Any]) -> bool:
    return any(key in block for key in ("storageUri", "modelFormat", "storage", "protocolVersion"))


def _group_of(
    deployment: Deployment, count: Scale, resources: Mapping[str, Mapping[str, Any]]
) -> Group:
    wanted = deployment.resources
    base = resources if wanted.gpus else _without_gpus(resources)
    own: dict[str, Any] = {}
    if wanted.cpus and wanted.cpus != quantity(base["limits"].get("cpu", CPU)):
        own["cpu"] = text_of(max(1.0, wanted.cpus))
    if wanted.memory and wanted.memory != quantity(base["limits"].get("memory", MEMORY)):
        own["memory"] = str(wanted.memory)
    if wanted.gpus and not any(gpu in base["limits"] for gpu in GPUS):
        own[GPUS[0]] = str(math.ceil(wanted.gpus))
    sized = {key: {**values, **own} for key, values in base.items()}
    name = deployment.name.lower().replace("/", "-").replace("_", "-").replace(".", "-")
    labels = _labels(deployment.options.placement.labels)
    short = name[:40].strip("-")
    return Group(short, deployment.name, count, sized, wanted.accelerator, labels)


def _labels(selectors: Mapping[str, str]) -> dict[str, str]:
    """Labels that the selectors match: the value, or the first of ``in(a,b)``. What a label must
    not be is no label."""
    found = {}
    for key, selector in selectors.items():
        if not selector.startswith("!"):
            found[key] = selector.removeprefix("in(").rstrip(")").split(",")[0].strip()
    return found


def _without_gpus(resources: Mapping[str, Mapping[str, Any]]) -> dict[str, dict[str, Any]]:
    return {
        key: {name: value for name, value in values.items() if name not in GPUS}
        for key, values in resources.items()
    }


_UNITS = {
    "n": 1e-9, "u": 1e-6, "m": 1e-3, "k": 1e3, "M": 1e6, "G": 1e9, "T": 1e12,
    "Ki": 2**10, "Mi": 2**20, "Gi": 2**30, "Ti": 2**40, "": 1,
}  # fmt: skip


def quantity(value: Any) -> float:
    """A Kubernetes quantity as a number: ``500m`` is 0.5."""
    text = str(value)
    unit = text.lstrip("0123456789.+-")
    return float(text[: len(text) - len(unit)] or 0) * _UNITS.get(unit, 1)


def text_of(number: float) -> str:
    """A number as a quantity: ``1``, ``1500m``."""
    return str(int(number)) if number == int(number) else f"{round(number * 1000)}m"
