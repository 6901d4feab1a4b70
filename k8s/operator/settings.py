"""How one operator runs: which namespaces, which target, which addresses."""

from __future__ import annotations

import urllib.parse
from dataclasses import dataclass
from typing import Literal

from umbel.k8s.manifests.options import IMAGE

Target = Literal["ray", "kuberay"]

FINALIZER = "umbel.dev/operator"
"""Holds a deleted resource until its applications are gone from the Ray cluster."""

MANAGER = "umbel-operator"
"""The field manager and the event source."""


@dataclass(frozen=True)
class OperatorSettings:
    """Fixed while the operator runs. Times are in seconds."""

    target: Target = "kuberay"

    namespaces: tuple[str, ...] = ()
    """The namespaces it looks after; none means all of the cluster."""

    config_namespace: str = "kserve"
    """Where KServe's ConfigMap ``inferenceservice-config`` lies."""

    dashboard_url: str = "http://127.0.0.1:8265"
    """Ray's dashboard, which has Serve's REST API (target ``ray``)."""

    serve_url: str = "http://127.0.0.1:8000"
    """Where clients reach Ray Serve: the beginning of every ``status.url`` (target ``ray``)."""

    serve_host: str = "127.0.0.1"
    """Address that Serve's proxies bind, where no Serve runs yet (target ``ray``)."""

    serve_port: int = 8000
    """Port of Serve's proxies, where no Serve runs yet (target ``ray``)."""

    own_code_of: tuple[str, ...] = ()
    """Namespaces whose resources may run code of their own (target ``ray``); none means all."""

    most_replicas: int = 256
    """How many replicas a component may ask to have always (target ``ray``)."""

    seal_key_file: str = ""
    """The file with the keys that seal credentials (target ``ray``); read anew in each pass."""

    grpc_port: int | None = None
    """Port of umbel's gRPC front on the cluster's head; none: no front (target ``ray``)."""

    url_host: str = "{name}.{namespace}.svc.cluster.local"
    """Host of ``status.address.url``, and of ``status.url`` where nothing leads in from
    outside (target ``kuberay``)."""

    container_url: str = ""
    """Where Ray's replicas reach a container, with ``{name}``, ``{namespace}``, ``{host}`` and
    ``{component}``; empty for its Service's name in the cluster."""

    image: str = IMAGE
    """umbel's own, which downloads the models of containers."""

    image_pull_policy: str = "IfNotPresent"

    name: str = "umbel"
    """This operator's name. It owns the Serve applications that carry it, and no others."""

    linger_s: float = 3.0
    """How long an application stays after its route went to another: proxies learn of the new
    one within a second."""

    resync_s: float = 30.0
    """How often everything is read again though nothing was heard."""

    poll_s: float = 0.5
    """How often Serve is asked while applications start or stop."""

    leader_elect: bool = False
    """Hold a Lease before writing anything: for several replicas of the operator."""

    lease_namespace: str = "umbel-system"
    """Where the Lease lies."""

    history: int = 10
    """Revisions of a service that are kept besides those in use."""

    @property
    def serve_name(self) -> str:
        """The host by which clients reach Serve (target ``ray``)."""
        host = urllib.parse.urlsplit(self.serve_url).hostname or "127.0.0.1"
        return f"[{host}]" if ":" in host else host

    def watches(self, namespace: str) -> bool:
        """True for a namespace that is this operator's."""
        return not self.namespaces or namespace in self.namespaces

    def route(self, namespace: str, name: str) -> str:
        """The path below which a resource answers: on a shared Ray cluster, below its names; on
        one of its own, everywhere."""
        return f"/{namespace}/{name}" if self.target == "ray" else "/"

    def url(self, namespace: str, name: str) -> str:
        """Where clients reach a resource."""
        if self.target == "ray":
            return f"{self.serve_url.rstrip('/')}{self.route(namespace, name)}"
        return f"http://{self.url_host.format(name=name, namespace=namespace)}"
