"""A container as far as umbel reads it; the full field list is in `pod_fields`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import Field

from umbel.k8s.resources.declared import Declared

Quantity = str | int | float
"""A Kubernetes quantity as it stands in the file: ``500m``, ``2Gi``, ``1``, ``0.5``."""


class EnvVar(Declared):
    """``value`` is literal text; ``value_from`` names a Secret's, ConfigMap's or pod's field."""

    name: str = ""
    value: str = ""
    value_from: Mapping[str, Any] | None = None


class ResourceRequirements(Declared):
    """What is reserved (``requests``) and the most that may be used (``limits``)."""

    requests: Mapping[str, Quantity] = Field(default_factory=dict)
    limits: Mapping[str, Quantity] = Field(default_factory=dict)


class ContainerPort(Declared):
    """A port the container listens on; ``name`` ``h2c`` or ``grpc...`` means gRPC to KServe."""

    container_port: int = 0
    name: str = ""
    protocol: str = "TCP"


class VolumeMount(Declared):
    """Where a volume appears inside the container."""

    name: str = ""
    mount_path: str = ""
    sub_path: str = ""
    read_only: bool = False


class Container(Declared):
    """An image and how it is started. A framework block is one too, without image mostly."""

    name: str = ""
    image: str = ""
    image_pull_policy: str = ""
    command: tuple[str, ...] = ()
    args: tuple[str, ...] = ()
    working_dir: str = ""
    env: tuple[EnvVar, ...] = ()
    env_from: tuple[Mapping[str, Any], ...] = ()
    ports: tuple[ContainerPort, ...] = ()
    resources: ResourceRequirements = ResourceRequirements()
    volume_mounts: tuple[VolumeMount, ...] = ()
    liveness_probe: Mapping[str, Any] | None = None
    readiness_probe: Mapping[str, Any] | None = None
    startup_probe: Mapping[str, Any] | None = None
    lifecycle: Mapping[str, Any] | None = None
    security_context: Mapping[str, Any] | None = None

    def env_value(self, name: str) -> str | None:
        """The literal value of an environment variable; None if it is not set."""
        return next((var.value for var in self.env if var.name == name), None)

    def argument(self, flag: str) -> str | None:
        """The value after ``flag`` (or ``flag=``) in the arguments; None if it is not there."""
        words = [*self.command, *self.args]
        for index, word in enumerate(words):
            if word.startswith(flag + "="):
                return word[len(flag) + 1 :]
            if word == flag and index + 1 < len(words):
                return words[index + 1]
        return None
