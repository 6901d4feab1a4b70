"""Where a component's pod may run and what it asks for → umbel's resources and placement.

GPUs, other devices, ``nodeSelector``, required node affinity and a hostname anti-affinity are
carried over, and the annotations ``umbel.dev/pool``, ``gpus``, ``per-machine`` and ``apart``. CPU
and memory count only where a component has a replica of its own for one of these reasons:
every manifest has them, and a node that asks for nothing shares the graph's process.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from umbel.graph.ir import Node
from umbel.graph.options import Resources
from umbel.graph.placement import Placement
from umbel.graph.quantities import amount
from umbel.k8s.resources.component import Component
from umbel.k8s.resources.container import Container
from umbel.k8s.resources.predictor import Predictor

PREFIX = "umbel.dev/"
HOSTNAME = "kubernetes.io/hostname"
GPUS = ("nvidia.com/gpu", "amd.com/gpu")

_DEVICES = {
    "google.com/tpu": "TPU",
    "habana.ai/gaudi": "HPU",
    "aws.amazon.com/neuroncore": "neuron_cores",
}
"""Kubernetes' devices by Ray's names; others keep their own."""

_LABELS = {
    "topology.kubernetes.io/zone": "ray.io/availability-zone",
    "topology.kubernetes.io/region": "ray.io/region",
}
_ACCELERATORS = ("cloud.google.com/gke-accelerator", "nvidia.com/gpu.product")
_KNOWN = frozenset(
    "V100 P100 T4 P4 K80 A10G A10 L4 L40S A100 H100 H200 H20 B200 B300 GB200 GB300".split()  # noqa: SIM905
)
_EVERYWHERE = ("kubernetes.io/os", "kubernetes.io/arch")

Warn = Callable[[str, tuple[str, ...], str, str], None]
"""Takes code, path below the component, message and fix."""


def placed(
    component: Component,
    container: Container | None,
    annotations: Mapping[str, Any],
    warn: Warn,
) -> tuple[Resources, Placement]:
    """What one replica of the component reserves and where it may run. ``annotations``: the
    resource's; the component's own win."""
    asked = {**annotations, **component.annotations}
    selected = dict(component.node_selector) | dict(_affinity(component, warn))
    accelerator = next(
        (one for key in _ACCELERATORS if (one := _accelerator(selected.get(key, "")))), None
    )
    labels = {
        _LABELS.get(key, key): value
        for key, value in selected.items()
        if key not in _EVERYWHERE and not (key in _ACCELERATORS and _accelerator(value))
    }
    placement = Placement(
        str(asked.get(f"{PREFIX}pool", "")),
        labels,
        _per_machine(component, asked, warn),
        "",
        str(asked.get(f"{PREFIX}apart", "")),
    )
    resources = _resources(container, asked, accelerator, warn)
    if container is not None and (resources.asked or placement.asked):
        resources = _with_host(resources, container)
    return resources, placement


def together(
    nodes: Sequence[Node], word: str, resources: Resources, placement: Placement
) -> tuple[Node, ...]:
    """The nodes of one class, which are one replica: it reserves once what the class asks for."""
    if not (resources.asked or placement.asked):
        return tuple(nodes)
    placement = replace(placement, together=word)
    options = [replace(node.options, placement=placement) for node in nodes]
    options[0] = replace(options[0], resources=resources)
    return tuple(replace(node, options=one) for node, one in zip(nodes, options, strict=True))


def _resources(
    container: Container | None, asked: Mapping[str, Any], accelerator: str | None, warn: Warn
) -> Resources:
    limits = _limits(container)
    gpus = sum(limits.get(name, 0) for name in GPUS)
    share = asked.get(f"{PREFIX}gpus")
    if share is not None:
        found = _number(str(share))
        if found is None or found < 0:
            told = f"{PREFIX}gpus is {share!r}, no number of GPUs"
            warn("UMB-K521", ("annotations", f"{PREFIX}gpus"), told, f'{PREFIX}gpus: "0.5"')
        else:
            gpus = found
    custom = {
        _DEVICES.get(name, name): many
        for name, many in limits.items()
        if "/" in name and name not in GPUS and many
    }
    return Resources(gpus=gpus, accelerator=accelerator, custom=custom)


def _with_host(resources: Resources, container: Container) -> Resources:
    reserved = {**container.resources.limits, **container.resources.requests}
    cpus, memory = (amount(reserved.get(name, 0)) for name in ("cpu", "memory"))
    return Resources(
        cpus or None, resources.gpus, int(memory), resources.accelerator, resources.custom
    )


def _limits(container: Container | None) -> dict[str, float]:
    if container is None:
        return {}
    both = {**container.resources.requests, **container.resources.limits}
    return {name: amount(value) for name, value in both.items()}


def _per_machine(component: Component, asked: Mapping[str, Any], warn: Warn) -> int | None:
    given = asked.get(f"{PREFIX}per-machine")
    if given is not None:
        if str(given).isdecimal() and 1 <= int(str(given)) <= 100:
            return int(str(given))
        told = f"{PREFIX}per-machine is {given!r}, not a number from 1 to 100"
        warn("UMB-K521", ("annotations", f"{PREFIX}per-machine"), told, f'{PREFIX}per-machine: "1"')
    rules = _required((component.affinity or {}).get("podAntiAffinity"))
    return 1 if any(rule.get("topologyKey") == HOSTNAME for rule in rules) else None


def _affinity(component: Component, warn: Warn) -> Iterator[tuple[str, str]]:
    """The labels of the required node affinity, where it says one thing; what it says beyond
    that, and pod affinity, is told and left out."""
    affinity = component.affinity or {}
    node = affinity.get("nodeAffinity") or {}
    terms = (node.get("requiredDuringSchedulingIgnoredDuringExecution") or {}).get(
        "nodeSelectorTerms"
    ) or []
    where = ("affinity", "nodeAffinity")
    if len(terms) > 1:
        told = f"{len(terms)} nodeSelectorTerms are alternatives, which Ray's labels cannot say"
        warn("UMB-K520", where, told, "keep one term, with operator In for alternatives")
        terms = []
    for term in terms:
        for expression in term.get("matchExpressions") or []:
            key, operator = expression.get("key", ""), expression.get("operator", "")
            values = [str(value) for value in expression.get("values") or []]
            if operator in ("In", "NotIn") and values:
                listed = values[0] if len(values) == 1 else f"in({','.join(values)})"
                yield key, listed if operator == "In" else f"!{listed}"
            else:
                told = f"operator {operator} of {key!r} is left out: Ray selects by values"
                warn("UMB-K520", where, told, "use In or NotIn")
    if _required(affinity.get("podAffinity")):
        told = "podAffinity is left out: services are deployed apart from one another"
        warn("UMB-K520", ("affinity", "podAffinity"), told, "select the machines by their labels")


def _required(rules: Mapping[str, Any] | None) -> list[Mapping[str, Any]]:
    return list((rules or {}).get("requiredDuringSchedulingIgnoredDuringExecution") or [])


def _accelerator(product: str) -> str:
    """Ray's name of an accelerator in a label such as ``NVIDIA-A100-SXM4-40GB``."""
    words = re.split(r"[^A-Z0-9]+", product.upper())
    return next((word for word in words if word in _KNOWN), "")


def _number(text: str) -> float | None:
    try:
        return float(amount(text))
    except ValueError:
        return None


def resources_of(predictor: Predictor) -> Resources:
    """What a replica of the predictor reserves."""
    blocks = predictor.model_blocks
    container = blocks[0][1] if blocks else predictor.custom_container
    return limits_of(container) if container else Resources()


def limits_of(container: Container) -> Resources:
    """The GPUs that a container asks for."""
    limits = {**container.resources.requests, **container.resources.limits}
    gpus = limits.get("nvidia.com/gpu")
    return Resources(gpus=float(str(gpus))) if gpus else Resources()
