"""What a resource asks of its pods, where a Ray cluster that runs already has its own.

Plain variables go to the replicas. The rest is told: nothing is left out in silence.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from umbel.graph.findings import Finding, Place
from umbel.k8s.manifests.field_support import support_of
from umbel.k8s.manifests.shared_pods import CARRIED
from umbel.k8s.operator.world import Raw
from umbel.k8s.resources.predictor import MODEL_BLOCKS

CODE = "UMB-K710"

OWN = ("UMBEL_SEAL", "RAY_", "__RAY", "LD_", "PYTHON")
"""How the variables begin that a resource has no say in: the keys of sealed credentials, how Ray
runs, and which code a process loads when it starts."""

_NAME = re.compile(r"[-._a-zA-Z][-._a-zA-Z0-9]*")
"""What Kubernetes takes for a variable's name; a custom resource's is checked by nobody."""

_USED = CARRIED | {"containers", "serviceAccountName", "serviceAccount"}
_COMPONENTS = ("predictor", "transformer", "explainer")


def plain_variables(spec: Mapping[str, Any]) -> dict[str, str]:
    """The variables of all containers that are given by their values; the predictor's win."""
    found: dict[str, str] = {}
    for name in reversed(_COMPONENTS):
        for _, container in _containers(spec.get(name)):
            for one in container.get("env") or ():
                if isinstance(one, Mapping) and one.get("name") and not _is_left_out(one):
                    found[str(one["name"])] = str(one.get("value") or "")
    return found


def left_out(raw: Raw) -> list[Finding]:
    """A warning for each thing that only pods of the resource's own could have."""
    spec = raw.get("spec") or {}
    return [
        Finding(
            "warning",
            CODE,
            f"{path} has no effect on a Ray cluster that runs already: its pods are as they are",
            Place(),
            "give it to the Ray cluster's pods, or use the target kuberay",
        )
        for path in _paths(spec)
    ]


def _paths(spec: Mapping[str, Any]) -> Iterator[str]:
    for name in _COMPONENTS:
        component = spec.get(name)
        if not isinstance(component, Mapping):
            continue
        for field in component:
            support = support_of("PodSpec", field)
            if support is not None and support.level == "same" and field not in _USED:
                yield f"spec.{name}.{field}"
        for where, container in _containers(component):
            yield from (
                f"spec.{name}.{where}.{one}"
                for one in ("envFrom", "volumeMounts")
                if container.get(one)
            )
            yield from (
                f"spec.{name}.{where}.env[{one.get('name')}]"
                for one in container.get("env") or ()
                if isinstance(one, Mapping) and _is_left_out(one)
            )


def _is_left_out(variable: Mapping[str, Any]) -> bool:
    name, value = str(variable.get("name")), str(variable.get("value") or "")
    usable = _NAME.fullmatch(name) is not None and "\0" not in value
    return "valueFrom" in variable or name.startswith(OWN) or not usable


def _containers(component: Any) -> Iterator[tuple[str, Mapping[str, Any]]]:
    if not isinstance(component, Mapping):
        return
    for name in (*MODEL_BLOCKS, "art", "alibi"):
        if isinstance(component.get(name), Mapping):
            yield name, component[name]
    for index, one in enumerate(component.get("containers") or ()):
        if isinstance(one, Mapping):
            yield f"containers[{index}]", one
