"""What is applied for a resource: pure functions from KServe's resources to Kubernetes objects.

`serve_config` gives Ray Serve's configuration for a plan.
"""

from __future__ import annotations

from umbel.k8s.manifests.serve_config import (
    ServeOptions,
    application_name,
    applications,
    config_text,
    route_prefix,
    serve_config,
)

__all__ = [
    "ServeOptions",
    "application_name",
    "applications",
    "config_text",
    "route_prefix",
    "serve_config",
]
