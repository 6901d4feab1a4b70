"""Where the Kubernetes API is, and as whom the operator asks it."""

from __future__ import annotations

import logging
import ssl
import time
from collections.abc import Mapping
from typing import NamedTuple

import kopf

from umbel.k8s.operator.api_errors import ClusterUnavailable
from umbel.k8s.operator.settings import MANAGER

log = logging.getLogger("umbel.operator")


def sign_in() -> kopf.ConnectionInfo:
    """The API server's address and credentials: those of the pod's ServiceAccount, else those
    of the kubeconfig. Raises ``ClusterUnavailable``."""
    settings = kopf.OperatorSettings()
    for way in (kopf.login_with_service_account, kopf.login_with_kubeconfig):
        try:
            found = way(logger=log, settings=settings)
        except (kopf.LoginError, OSError) as error:
            raise ClusterUnavailable(f"cannot sign in to Kubernetes: {error}") from error
        if found is not None:
            return found
    raise ClusterUnavailable(
        "there is no Kubernetes here: run in a pod with a ServiceAccount, or set KUBECONFIG"
    )


class Access(NamedTuple):
    """``context``: True where the address is not encrypted. ``since``: by the process's clock."""

    server: str
    headers: Mapping[str, str]
    context: ssl.SSLContext | bool
    since: float


def signed_in() -> Access:
    """The credentials of now. Raises ``ClusterUnavailable``."""
    info = sign_in()
    return Access(
        info.server.rstrip("/"),
        {**info.as_http_headers(), "user-agent": MANAGER},
        info.as_ssl_context() if info.server.startswith("https") else True,
        time.monotonic(),
    )
