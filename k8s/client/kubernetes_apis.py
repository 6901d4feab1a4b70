"""The official Kubernetes client, signed in as an `UmbelClient` is, for programs that reach
through KServe's client to it: ``client.core_api`` and the others."""

from __future__ import annotations

import base64
import importlib
from typing import Any

from umbel.graph.errors import DeclarationError
from umbel.k8s.client.access import Access


class KubernetesApis:
    """The four attributes of KServe's client. Each is made when it is asked for, with the
    credentials of that moment; they need the ``kubernetes`` package, which umbel does not."""

    access: Access

    @property
    def core_api(self) -> Any:
        """Pods, Secrets, ServiceAccounts, and so on."""
        return self._api("CoreV1Api")

    @property
    def app_api(self) -> Any:
        """Deployments."""
        return self._api("AppsV1Api")

    @property
    def api_instance(self) -> Any:
        """Custom resources of every kind."""
        return self._api("CustomObjectsApi")

    @property
    def hpa_v2_api(self) -> Any:
        """HorizontalPodAutoscalers."""
        return self._api("AutoscalingV2Api")

    def _api(self, name: str) -> Any:
        try:
            client = importlib.import_module("kubernetes.client")
            config = importlib.import_module("kubernetes.config")
        except ModuleNotFoundError as error:
            raise DeclarationError(
                f"{name} is the official Kubernetes client's, which is not installed: "
                "pip install kubernetes"
            ) from error
        loaded = config.new_client_from_config_dict(kubeconfig(self.access), context="umbel")
        return getattr(client, name)(loaded)


def kubeconfig(access: Access) -> dict[str, Any]:
    """A kubeconfig with what ``access`` has now."""
    found = access.credential()
    cluster = {
        "server": access.server,
        "certificate-authority-data": _encoded(access.ca or ""),
        "insecure-skip-tls-verify": not access.verify,
        "proxy-url": access.proxy,
        "tls-server-name": access.tls_name,
    }
    user: dict[str, Any] = {
        "client-certificate-data": _encoded(found.certificate),
        "client-key-data": _encoded(found.key),
    }
    if found.token.startswith("Basic "):
        pair = base64.b64decode(found.token.removeprefix("Basic ")).decode()
        user["username"], _, user["password"] = pair.partition(":")
    else:
        user["token"] = found.token
    context = {"cluster": "umbel", "user": "umbel", "namespace": access.namespace}
    return {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": "umbel", "cluster": _given(cluster)}],
        "users": [{"name": "umbel", "user": _given(user)}],
        "contexts": [{"name": "umbel", "context": context}],
        "current-context": "umbel",
    }


def _encoded(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


def _given(entry: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in entry.items() if value}
