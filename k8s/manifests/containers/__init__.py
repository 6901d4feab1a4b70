"""Components that run as containers of their own: KServe's Standard mode, as plain objects.

`container_components` gives a Deployment, a Service and what belongs to them for each such
component of a service; `host_services` the Services that KServe's users know them by.
"""

from __future__ import annotations

from umbel.k8s.manifests.containers.components import (
    ContainerComponent,
    container_components,
    host_services,
)
from umbel.k8s.manifests.containers.site import ContainerSite
from umbel.k8s.manifests.containers.workload_objects import MANAGED

__all__ = [
    "MANAGED",
    "ContainerComponent",
    "ContainerSite",
    "container_components",
    "host_services",
]
