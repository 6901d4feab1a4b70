"""Credentials from the program that a kubeconfig names, as kubectl gets them."""

from __future__ import annotations

import json
import math
import os
import subprocess
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from umbel.k8s.client.failures import ClusterUnreachable

_PATIENCE_S = 60.0

_EARLY_S = 60.0
"""How long before its end a credential is no longer used."""


@dataclass(frozen=True)
class ExecCredential:
    """A bearer token (or a whole ``Basic ...`` header), and a client certificate with its key
    (PEM). Empty is none. ``expires`` is in seconds since 1970."""

    token: str = field(default="", repr=False)
    certificate: str = field(default="", repr=False)
    key: str = field(default="", repr=False)
    expires: float = math.inf

    @property
    def headers(self) -> dict[str, str]:
        """What signs a request in."""
        if not self.token:
            return {}
        whole = self.token.startswith("Basic ")
        return {"Authorization": self.token if whole else f"Bearer {self.token}"}


class ExecPlugin:
    """Credentials of one plugin, asked for again shortly before they end."""

    def __init__(self, plugin: Mapping[str, Any], folder: Path) -> None:
        self._plugin, self._folder, self._lock = plugin, folder, threading.Lock()
        self._found: ExecCredential | None = None

    def __call__(self) -> ExecCredential:
        """Raises ``ClusterUnreachable``."""
        with self._lock:
            if self._found is None or self._found.expires - time.time() < _EARLY_S:
                self._found = exec_credential(self._plugin, self._folder)
            return self._found


def exec_credential(plugin: Mapping[str, Any], folder: Path) -> ExecCredential:
    """Run the plugin (``aws eks get-token`` and the like). Raises ``ClusterUnreachable``."""
    command = str(plugin.get("command") or "")
    if "/" in command and not Path(command).is_absolute():
        command = str(folder / command)
    environment = {one["name"]: one["value"] for one in plugin.get("env") or ()}
    version = plugin.get("apiVersion") or "client.authentication.k8s.io/v1"
    info = {"apiVersion": version, "kind": "ExecCredential", "spec": {"interactive": False}}
    try:
        done = subprocess.run(
            [command, *(plugin.get("args") or ())],
            env={**os.environ, **environment, "KUBERNETES_EXEC_INFO": json.dumps(info)},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            check=True,
            timeout=_PATIENCE_S,
        )
        status = json.loads(done.stdout)["status"]
    except OSError as error:
        hint = plugin.get("installHint") or "install it, or correct the kubeconfig"
        raise ClusterUnreachable(f"cannot run {command!r}: {error.strerror}; {hint}") from error
    except subprocess.CalledProcessError as error:
        told = error.stderr.decode("utf-8", "replace").strip()[-500:]
        raise ClusterUnreachable(f"{command!r} ended with {error.returncode}: {told}") from error
    except (subprocess.TimeoutExpired, ValueError, KeyError, TypeError) as error:
        raise ClusterUnreachable(f"{command!r} gave no credentials: {error!r}") from error
    return ExecCredential(
        status.get("token") or "",
        status.get("clientCertificateData") or "",
        status.get("clientKeyData") or "",
        _seconds(status.get("expirationTimestamp")),
    )


def _seconds(text: object) -> float:
    """Of an RFC 3339 time; one that cannot be read has passed, so the plugin is asked again."""
    if not text:
        return math.inf
    try:
        return datetime.fromisoformat(str(text).replace("Z", "+00:00")).timestamp()
    except ValueError:
        return 0.0
