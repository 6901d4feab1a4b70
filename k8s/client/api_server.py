"""Requests to the API server: JSON over HTTP, errors told with what to do."""

from __future__ import annotations

import contextlib
import http.client
import json
import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, urlencode, urlsplit

from umbel.k8s.client.access import Access
from umbel.k8s.client.failures import ClusterUnreachable, failure

Raw = dict[str, Any]

GROUP = "serving.kserve.io"


@dataclass(frozen=True)
class Served:
    """A kind of resource as the API server's paths name it. ``group`` is empty for the core."""

    kind: str
    plural: str
    version: str = "v1"
    group: str = ""

    @property
    def api_version(self) -> str:
        """As a resource writes it."""
        return f"{self.group}/{self.version}" if self.group else self.version

    def path(self, namespace: str, name: str = "") -> str:
        """The path of one resource, or of all; no namespace means all of them."""
        root = f"/apis/{self.group}" if self.group else "/api"
        within = f"/namespaces/{quote(namespace, safe='')}" if namespace else ""
        tail = f"/{quote(name, safe='')}" if name else ""
        return f"{root}/{self.version}{within}/{self.plural}{tail}"


class ApiServer:
    """A connection for each request, so threads may share it."""

    def __init__(self, access: Access, timeout_s: float = 60.0) -> None:
        self.access, self._timeout_s = access, timeout_s
        self._parts = urlsplit(access.server)

    def get(self, kind: Served, namespace: str, name: str = "") -> Raw:
        """One resource, or the list of them. A lost connection is tried a second time."""
        try:
            return self._ask("GET", kind, namespace, name)
        except ClusterUnreachable:
            return self._ask("GET", kind, namespace, name)

    def create(self, kind: Served, namespace: str, raw: Mapping[str, Any]) -> Raw:
        """POST."""
        return self._ask("POST", kind, namespace, "", raw)

    def replace(self, kind: Served, namespace: str, name: str, raw: Mapping[str, Any]) -> Raw:
        """PUT; with an old ``resourceVersion`` a conflict."""
        return self._ask("PUT", kind, namespace, name, raw)

    def patch(self, kind: Served, namespace: str, name: str, change: Mapping[str, Any]) -> Raw:
        """A JSON merge patch (RFC 7386)."""
        content = "application/merge-patch+json"
        return self._ask("PATCH", kind, namespace, name, change, content)

    def delete(self, kind: Served, namespace: str, name: str) -> Raw:
        """DELETE; what it owns goes too."""
        body = {"propagationPolicy": "Background"}
        return self._ask("DELETE", kind, namespace, name, body)

    def _ask(
        self,
        method: str,
        kind: Served,
        namespace: str,
        name: str,
        body: Mapping[str, Any] | None = None,
        content: str = "application/json",
    ) -> Raw:
        path = self._parts.path.rstrip("/") + kind.path(namespace, name)
        if method in ("POST", "PUT", "PATCH"):
            path += "?" + urlencode({"fieldManager": "umbel-client"})
        data = None if body is None else json.dumps(body).encode()
        credential = self.access.credential()
        headers = {"Accept": "application/json", "Content-Type": content, **credential.headers}
        connection = self._connection(self.access.tls(credential))
        with contextlib.closing(connection):
            try:
                connection.request(method, path, data, headers)
                reply = connection.getresponse()
                status, text = reply.status, reply.read()
            except (OSError, http.client.HTTPException) as error:
                told = str(error) or type(error).__name__
                raise ClusterUnreachable(
                    f"{self.access.server} does not answer: {told}\n    fix: see 'kubectl version'"
                ) from error
        answer = _parsed(text)
        if 200 <= status < 300:
            return answer
        verb = _VERBS.get(method, method)
        where = f"{namespace}/{name or _name(body)}".strip("/")
        what = f"{verb} {kind.kind} {where}"
        message = str(answer.get("message") or text[:500].decode("utf-8", "replace"))
        reason = str(answer.get("reason") or "")
        raise failure(status, reason, message, what, kind.plural, namespace)

    def _connection(self, tls: Any) -> http.client.HTTPConnection:
        host, port = self._parts.hostname or "", self._parts.port
        proxy = urlsplit(self.access.proxy)
        name, number = (proxy.hostname, proxy.port) if proxy.hostname else (host, port)
        if tls is None:
            connection = http.client.HTTPConnection(name, number, timeout=self._timeout_s)
        else:
            connection = _NamedConnection(name, number, timeout=self._timeout_s, context=tls)
            connection.tls_name = self.access.tls_name or host
        if proxy.hostname:
            connection.set_tunnel(host, port)
        return connection


class _NamedConnection(http.client.HTTPSConnection):
    """A connection to a server whose certificate is for ``tls_name``."""

    tls_name = ""

    def connect(self) -> None:
        """TCP, through a proxy if there is one, then TLS with that name."""
        http.client.HTTPConnection.connect(self)
        context: ssl.SSLContext = self._context  # type: ignore[attr-defined]
        self.sock = context.wrap_socket(self.sock, server_hostname=self.tls_name)


_VERBS = {"GET": "get", "POST": "create", "PUT": "replace", "PATCH": "patch", "DELETE": "delete"}


def _parsed(text: bytes) -> Raw:
    try:
        answer = json.loads(text) if text else {}
    except ValueError:
        return {}
    return answer if isinstance(answer, dict) else {}


def _name(body: Mapping[str, Any] | None) -> str:
    metadata = (body or {}).get("metadata") or {}
    return str(metadata.get("name") or metadata.get("generateName") or "")
