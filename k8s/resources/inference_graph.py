"""InferenceGraph v1alpha1: nodes that pass requests to services and to other nodes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import Field

from umbel.k8s.resources.container import ResourceRequirements
from umbel.k8s.resources.declared import Declared

ROOT = "root"
"""The node every request starts at."""

ROUTER_TYPES = ("Sequence", "Splitter", "Ensemble", "Switch")


class GraphStep(Declared):
    """One call. Exactly one of ``node_name``, ``service_name``, ``service_url`` is its target."""

    name: str = ""
    node_name: str = ""
    service_name: str = ""
    service_url: str = ""
    data: str = ""
    weight: int | None = None
    condition: str = ""
    dependency: str = ""
    map_predictions_to_instances: bool = False

    @property
    def targets(self) -> tuple[tuple[str, str], ...]:
        """The targets that are given, as ``(field, value)``; a valid step has one."""
        given = (
            ("nodeName", self.node_name),
            ("serviceName", self.service_name),
            ("serviceUrl", self.service_url),
        )
        return tuple((name, value) for name, value in given if value)


class GraphNode(Declared):
    """A node: how it treats its steps, and the steps in order."""

    router_type: str = ""
    steps: tuple[GraphStep, ...] = ()


class RouterTimeouts(Declared):
    """Seconds; None is KServe's default: 60, 60, 180, and no limit for calls."""

    server_read: int | None = None
    server_write: int | None = None
    server_idle: int | None = None
    service_client: int | None = None


class InferenceGraphSpec(Declared):
    """The nodes by name, and how the router itself runs. ``timeout`` is in seconds."""

    nodes: Mapping[str, GraphNode] = Field(default_factory=dict)
    resources: ResourceRequirements | None = None
    affinity: Mapping[str, Any] | None = None
    tolerations: tuple[Mapping[str, Any], ...] = ()
    node_selector: Mapping[str, str] = Field(default_factory=dict)
    node_name: str = ""
    service_account_name: str = ""
    timeout: int | None = None
    router_timeouts: RouterTimeouts | None = None
    min_replicas: int | None = None
    max_replicas: int = 0
    scale_target: int | None = None
    scale_metric: str | None = None
