"""ConfigMap, Secret and ServiceAccount as far as settings and storage credentials need them."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping
from typing import Any

from pydantic import Field

from umbel.k8s.resources.declared import Declared

SERVICE_CONFIG = "inferenceservice-config"
"""The ConfigMap that holds KServe's own settings, JSON under each key."""


class ConfigMap(Declared):
    """Settings as text under each key."""

    data: Mapping[str, str] = Field(default_factory=dict)


class Secret(Declared):
    """Credentials. ``repr`` does not show them."""

    type: str = "Opaque"
    data: Mapping[str, str] = Field(default_factory=dict, repr=False)
    string_data: Mapping[str, str] = Field(default_factory=dict, repr=False)

    def values(self) -> dict[str, str]:
        """Every key's plain text; ``stringData`` wins over ``data``, which is base64.

        An entry that is not base64 or not text is left out.
        """
        plain: dict[str, str] = {}
        for key, value in self.data.items():
            try:
                plain[key] = base64.b64decode(value, validate=True).decode()
            except (binascii.Error, UnicodeDecodeError):
                continue
        return {**plain, **self.string_data}


class ServiceAccount(Declared):
    """The secrets a component may read its storage credentials from."""

    secrets: tuple[Any, ...] = ()
    image_pull_secrets: tuple[Any, ...] = ()

    @property
    def secret_names(self) -> tuple[str, ...]:
        """The names of the secrets, in order."""
        return _names(self.secrets)

    @property
    def pull_secret_names(self) -> tuple[str, ...]:
        """The names of the secrets with logins of registries, in order."""
        return _names(self.image_pull_secrets)


def _names(references: tuple[Any, ...]) -> tuple[str, ...]:
    return tuple(
        entry["name"]
        for entry in references
        if isinstance(entry, dict) and isinstance(entry.get("name"), str)
    )
