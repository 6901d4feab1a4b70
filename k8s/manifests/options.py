"""What manifests are made with: one class per aspect, with the reason for each default."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

IMAGE = "umbel:latest"
RAY_VERSION = "2.60.0"


@dataclass(frozen=True)
class RouteOptions:
    """How clients from outside reach a resource. Inside the cluster its Service is enough."""

    kind: Literal["gateway", "ingress", "none"] = "gateway"
    """An HTTPRoute (Gateway API), an Ingress, or neither."""

    domain: str = "example.com"
    """KServe's ``ingressDomain``: a resource answers at ``NAME-NAMESPACE.DOMAIN``."""

    path_template: str = ""
    """KServe's ``pathTemplate`` (``/serving/{namespace}/{name}``): a path at the domain itself
    that leads to the resource, besides its host. Gateway API only."""

    gateway: str = "kserve/kserve-ingress-gateway"
    """``NAMESPACE/NAME`` of the Gateway: KServe's default."""

    ingress_class: str = "nginx"
    """``ingressClassName`` of an Ingress."""

    tls_secret: str = ""
    """The Secret with an Ingress's certificate. A Gateway has its own."""


@dataclass(frozen=True)
class ClusterOptions:
    """The Ray cluster of one resource."""

    image: str = IMAGE
    """Image of head and workers, with umbel and what its models need in it."""

    image_pull_policy: str = "IfNotPresent"
    ray_version: str = RAY_VERSION
    """The Ray in the image: KubeRay's autoscaler goes by it."""

    head_cpu: str = "1"
    head_memory: str = "4Gi"
    """The head runs Ray's own processes and no replica: 1.5 GiB are in use after a day."""

    token_auth: bool = True
    """Everything that reaches Ray's ports needs the token that KubeRay puts into a Secret."""

    tls: bool = False
    """TLS between Ray's processes; KubeRay needs cert-manager for it."""

    redis_address: str = ""
    """``HOST:PORT`` of a Redis for GCS fault tolerance: replicas survive the head's death."""

    redis_secret: str = ""
    """The Secret whose key ``password`` opens the Redis."""

    gateway_class: str = ""
    """Gateway class for an upgrade in steps (``NewClusterWithIncrementalUpgrade``); without,
    a new cluster takes over at once when it is ready."""

    idle_timeout_s: int = 60
    """How long a worker pod without replicas stays."""


@dataclass(frozen=True)
class RenderOptions:
    """All of it. ``policies``: NetworkPolicy and PodDisruptionBudget; ``monitor``: a
    ServiceMonitor, which needs the Prometheus operator's CRDs."""

    namespace: str = ""
    """The namespace of resources that name none; empty means ``default``."""

    cluster: ClusterOptions = field(default_factory=ClusterOptions)
    route: RouteOptions = field(default_factory=RouteOptions)
    policies: bool = True
    monitor: bool = True
