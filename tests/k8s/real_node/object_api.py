"""A small client of the API server: what a controller needs, and nothing to install."""

from __future__ import annotations

import json
import ssl
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

import yaml

Raw = dict[str, Any]

GROUPS = {
    "services": "/api/v1", "pods": "/api/v1", "secrets": "/api/v1", "endpoints": "/api/v1",
    "serviceaccounts": "/api/v1", "events": "/api/v1",
    "roles": "/apis/rbac.authorization.k8s.io/v1",
    "rolebindings": "/apis/rbac.authorization.k8s.io/v1",
    "rayservices": "/apis/ray.io/v1", "rayclusters": "/apis/ray.io/v1",
}  # fmt: skip


class KubeApi:
    """Reads and writes objects as plain data. Raises ``urllib.error.HTTPError``."""

    def __init__(self, kubeconfig: Path) -> None:
        config = yaml.safe_load(kubeconfig.read_text())
        cluster = config["clusters"][0]["cluster"]
        self._url, self._token = cluster["server"], config["users"][0]["user"]["token"]
        self._context = ssl.create_default_context(cafile=cluster["certificate-authority"])

    def listing(self, plural: str, selector: str = "", namespace: str = "") -> list[Raw]:
        where = f"/namespaces/{namespace}" if namespace else ""
        query = f"?labelSelector={selector}" if selector else ""
        found: list[Raw] = self.ask("GET", f"{GROUPS[plural]}{where}/{plural}{query}")["items"]
        return found

    def get(self, plural: str, namespace: str, name: str) -> Raw | None:
        try:
            return self.ask("GET", _path(plural, namespace, name))
        except urllib.error.HTTPError as error:
            if error.code == 404:
                return None
            raise

    def create(self, plural: str, raw: Raw) -> Raw:
        return self.ask("POST", _path(plural, raw["metadata"]["namespace"]), raw)

    def ensure(self, plural: str, raw: Raw) -> Raw:
        """Create it unless it is there; what is there stays as it is."""
        meta = raw["metadata"]
        there = self.get(plural, meta["namespace"], meta["name"])
        return there if there is not None else self.create(plural, raw)

    def replace(self, plural: str, raw: Raw, part: str = "") -> Raw:
        meta = raw["metadata"]
        return self.ask("PUT", _path(plural, meta["namespace"], meta["name"]) + part, raw)

    def merge(self, plural: str, raw: Raw, change: Raw) -> Raw:
        meta = raw["metadata"]
        return self.ask("PATCH", _path(plural, meta["namespace"], meta["name"]), change)

    def delete(self, plural: str, raw: Raw) -> None:
        meta = raw["metadata"]
        body = {"propagationPolicy": "Background"}
        try:
            self.ask("DELETE", _path(plural, meta["namespace"], meta["name"]), body)
        except urllib.error.HTTPError as error:
            if error.code != 404:
                raise

    def ask(self, method: str, path: str, body: object = None) -> Raw:
        kind = "application/merge-patch+json" if method == "PATCH" else "application/json"
        request = urllib.request.Request(
            self._url + path,
            method=method,
            data=None if body is None else json.dumps(body).encode(),
            headers={"authorization": f"Bearer {self._token}", "content-type": kind},
        )
        with urllib.request.urlopen(request, context=self._context, timeout=20) as reply:
            answer: Raw = json.load(reply)
        return answer


def _path(plural: str, namespace: str, name: str = "") -> str:
    return f"{GROUPS[plural]}/namespaces/{namespace}/{plural}" + (f"/{name}" if name else "")
