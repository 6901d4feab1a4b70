"""The machines of a Ray cluster, those that run and the one that an embedded Ray will be."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from umbel.graph import feasibility
from umbel.graph.errors import CheckFailed
from umbel.graph.feasibility import Machine
from umbel.graph.findings import Finding, has_errors
from umbel.graph.plan import Plan
from umbel.serving.ray_settings import RaySettings


def running() -> list[Machine]:
    """Those of the cluster that this process is connected to, dead ones left out."""
    import ray

    return [
        Machine(node["NodeName"], dict(node["Resources"]), dict(node.get("Labels") or {}))
        for node in ray.nodes()  # type: ignore[no-untyped-call]
        if node["Alive"]
    ]


def about_to_start(settings: RaySettings) -> list[Machine]:
    """The one machine of an embedded Ray, asked of Ray before it starts anything."""
    from ray._private import resource_and_label_spec

    spec: Any = resource_and_label_spec.ResourceAndLabelSpec(
        num_cpus=settings.logical_cpus(),
        num_gpus=settings.counted.gpus,
        object_store_memory=settings.object_store_bytes,
        labels=dict(settings.counted.labels),
    )
    spec.resolve(is_head=True, node_ip_address="127.0.0.1")
    return [Machine("this machine", spec.to_resource_dict(), dict(spec.labels or {}))]


def refuse_impossible(
    plan: Plan, machines: Sequence[Machine], *, replicas: int, may_grow: bool = False
) -> list[Finding]:
    """The warnings about a plan on these machines. Raises ``CheckFailed`` with all findings if
    one is an error; where the cluster ``may_grow``, only what no machine can change is one."""
    found = feasibility.findings(plan, machines, replicas=replicas)
    if has_errors([one for one in found if not (may_grow and one.code in _GROWING)]):
        raise CheckFailed(found)
    return found


_GROWING = frozenset({"UMB-G270", "UMB-G271", "UMB-G272", "UMB-G273", "UMB-G274"})
"""What a further machine could give."""
