"""What is applied for a resource: pure functions from KServe's resources to Kubernetes objects.

`render` gives every object for some resources; `objects_of` those for one `Workload`, whose
Serve configuration may come from elsewhere (a rollout). `serve_config` is Ray Serve's
configuration for a plan, `applications` its entries, to put beside others'.
"""

from __future__ import annotations

from umbel.k8s.manifests.documents import as_yaml
from umbel.k8s.manifests.options import ClusterOptions, RenderOptions, RouteOptions
from umbel.k8s.manifests.ray_services import own_config, ray_service
from umbel.k8s.manifests.rendering import Rendered, objects_of, render, render_texts, workload_of
from umbel.k8s.manifests.routes import host_of
from umbel.k8s.manifests.serve_config import (
    ServeOptions,
    application_name,
    applications,
    config_text,
    route_prefix,
    serve_config,
)
from umbel.k8s.manifests.unsupported import unsupported
from umbel.k8s.manifests.workloads import Workload

__all__ = [
    "ClusterOptions",
    "RenderOptions",
    "Rendered",
    "RouteOptions",
    "ServeOptions",
    "Workload",
    "application_name",
    "applications",
    "as_yaml",
    "config_text",
    "host_of",
    "objects_of",
    "own_config",
    "ray_service",
    "render",
    "render_texts",
    "route_prefix",
    "serve_config",
    "unsupported",
    "workload_of",
]
