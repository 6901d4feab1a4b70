"""A pod as far as umbel reads it; the full field list is in `pod_fields`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import Field

from umbel.k8s.resources.container import Container
from umbel.k8s.resources.declared import Declared


class PodSpec(Declared):
    """Containers and where they run. Every component inlines one.

    Volumes, affinity and tolerations are handed on to Kubernetes as they are.
    """

    containers: tuple[Container, ...] = ()
    init_containers: tuple[Container, ...] = ()
    volumes: tuple[Mapping[str, Any], ...] = ()
    service_account_name: str = ""
    service_account: str = ""
    node_selector: Mapping[str, str] = Field(default_factory=dict)
    node_name: str = ""
    tolerations: tuple[Mapping[str, Any], ...] = ()
    affinity: Mapping[str, Any] | None = None
    image_pull_secrets: tuple[Mapping[str, Any], ...] = ()
    runtime_class_name: str = ""
    scheduler_name: str = ""
    priority_class_name: str = ""
    host_ipc: bool = Field(default=False, alias="hostIPC")
    termination_grace_period_seconds: int | None = None
    security_context: Mapping[str, Any] | None = None

    @property
    def account(self) -> str:
        """The service account's name, also from the old field ``serviceAccount``."""
        return self.service_account_name or self.service_account

    def container(self, name: str) -> Container | None:
        """The container of that name, if there is one."""
        return next((one for one in self.containers if one.name == name), None)
