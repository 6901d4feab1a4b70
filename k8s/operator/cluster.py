"""The Kubernetes API, as far as the operator uses it: plain requests, no cache.

A pass reads what it needs and decides on that. Writes carry the resource version they were
worked out from, so a change in between is a conflict and the next pass sees it.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator, Mapping
from typing import Any

import aiohttp

from umbel.k8s.operator.api_errors import (
    ClusterUnavailable,
    Conflict,
    Refused,
    asked_wait_s,
    read_answer,
)
from umbel.k8s.operator.kinds import Kind
from umbel.k8s.operator.settings import MANAGER
from umbel.k8s.operator.signing_in import Access, signed_in
from umbel.k8s.operator.world import Raw

_MERGE = {"content-type": "application/merge-patch+json"}
_SIGN_IN_AGAIN_S = 300.0
"""A ServiceAccount's token is replaced on disk long before it ends."""

_DENIED_S = 300.0
"""How long what is not the operator's to read is not asked about again."""


class Cluster:
    """A session with the API server. Use it as an async context manager."""

    def __init__(self) -> None:
        self._session: aiohttp.ClientSession | None = None
        self._access: Access | None = None
        self.unknown: set[Kind] = set()
        """Kinds that the API server did not know when they were listed last."""
        self._denied: dict[tuple[Kind, str, str], float] = {}

    async def __aenter__(self) -> Cluster:
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._session is not None:
            await self._session.close()
        self._session = None

    async def listing(
        self, kind: Kind, namespaces: tuple[str, ...], selector: str = ""
    ) -> list[Raw]:
        """All resources of a kind in some namespaces, or in all. A kind the cluster does not
        know has none."""
        wanted = namespaces if kind.namespaced and namespaces else ("",)
        query = {"labelSelector": selector} if selector else {}
        found: list[Raw] = []
        for namespace in wanted:
            try:
                answer = await self.ask("GET", kind.path(namespace), query=query)
            except Refused as error:
                if error.code != 404:
                    raise
                self.unknown.add(kind)
                continue
            self.unknown.discard(kind)
            extra = {"apiVersion": kind.api_version, "kind": kind.name}
            found += [{**extra, **one} for one in answer.get("items") or ()]
        return found

    async def get(self, kind: Kind, namespace: str, name: str) -> Raw | None:
        """One resource; None if it is not there or not the operator's to read."""
        try:
            return await self.ask("GET", kind.path(namespace, name))
        except Refused as error:
            if error.code == 404:
                return None
            if error.code == 403:
                await self._be_denied(kind, namespace, name)
                return None
            raise

    async def _be_denied(self, kind: Kind, namespace: str, name: str) -> None:
        """Returns if this account may really not read it. An API server that has just started
        refuses everything until it knows its roles, and this question, too: what is there must
        not be taken for missing then, so that is ``ClusterUnavailable``."""
        asked = (kind, namespace, name)
        if time.monotonic() - self._denied.get(asked, -_DENIED_S) < _DENIED_S:
            return
        wanted = {"group": kind.group, "resource": kind.plural, "verb": "get"}
        attributes = {**wanted, "namespace": namespace, "name": name}
        try:
            answer = await self.ask(
                "POST",
                "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews",
                {
                    "apiVersion": "authorization.k8s.io/v1",
                    "kind": "SelfSubjectAccessReview",
                    "spec": {"resourceAttributes": attributes},
                },
            )
        except Refused as error:
            raise ClusterUnavailable(f"{kind.path(namespace, name)}: 403 {error}") from error
        if (answer.get("status") or {}).get("allowed"):
            raise ClusterUnavailable(f"{kind.path(namespace, name)}: 403, and a moment later not")
        self._denied[asked] = time.monotonic()

    async def changes(self, kind: Kind, namespace: str, name: str) -> AsyncIterator[None]:
        """Yields whenever one resource changes, and once whenever it may have: when the watch
        begins. Ends when the API server ends it; raises as ``ask`` does."""
        path = kind.path(namespace)
        query = {"fieldSelector": f"metadata.name={name}"}
        listed = await self.ask("GET", path, query=query)
        yield None
        version = (listed.get("metadata") or {}).get("resourceVersion", "")
        query |= {"watch": "true", "resourceVersion": str(version), "timeoutSeconds": "300"}
        timeout = aiohttp.ClientTimeout(total=None, sock_connect=10)
        try:
            async with self._request("GET", path, params=query, timeout=timeout) as reply:
                if reply.status != 200:
                    raise ClusterUnavailable(f"GET {path}: {reply.status}")
                async for _line in reply.content:
                    yield None
        except (aiohttp.ClientError, asyncio.TimeoutError, OSError, ValueError) as error:
            raise ClusterUnavailable(f"GET {path}: {error!r}") from error

    async def create(self, kind: Kind, raw: Raw) -> Raw | None:
        """Create it; None if it was there already."""
        namespace = raw["metadata"].get("namespace", "")
        try:
            return await self.ask("POST", kind.path(namespace), raw)
        except Refused as error:
            if error.code == 409:
                return None
            raise

    async def patch(
        self, kind: Kind, raw: Raw, change: Mapping[str, Any], subresource: str = ""
    ) -> Raw:
        """Merge ``change`` into the resource as ``raw`` knows it; a newer one is a conflict
        (``Refused``, 409)."""
        metadata = raw["metadata"]
        version = {"resourceVersion": metadata["resourceVersion"]}
        body = {**change, "metadata": {**change.get("metadata", {}), **version}}
        path = kind.path(metadata.get("namespace", ""), metadata["name"], subresource)
        return await self.ask("PATCH", path, body, headers=_MERGE)

    async def apply(self, kind: Kind, raw: Raw, known: Raw | None = None) -> Raw:
        """Server-side apply: the fields in ``raw`` are the operator's, others stay. Raises
        ``Conflict`` where it is no longer as it was ``known``."""
        metadata = raw["metadata"]
        if known is not None:
            version = {"resourceVersion": known["metadata"]["resourceVersion"]}
            raw = {**raw, "metadata": {**metadata, **version}}
        path = kind.path(metadata.get("namespace", ""), metadata["name"])
        headers = {"content-type": "application/apply-patch+yaml"}
        query = {"fieldManager": MANAGER, "force": "true"}
        try:
            return await self.ask("PATCH", path, raw, headers=headers, query=query)
        except Refused as error:
            if error.code == 409 and known is not None:
                raise Conflict(409, str(error)) from error
            raise

    async def replace(self, kind: Kind, raw: Raw) -> Raw:
        """PUT; a newer one is a conflict."""
        metadata = raw["metadata"]
        path = kind.path(metadata.get("namespace", ""), metadata["name"])
        return await self.ask("PUT", path, raw)

    async def delete(self, kind: Kind, raw: Raw) -> None:
        """Delete it, if it is this very one and still there."""
        metadata = raw["metadata"]
        body = {"preconditions": {"uid": metadata["uid"]}}
        path = kind.path(metadata.get("namespace", ""), metadata["name"])
        try:
            await self.ask("DELETE", path, body)
        except Refused as error:
            if error.code not in (404, 409):
                raise

    async def ask(
        self,
        method: str,
        path: str,
        body: object = None,
        *,
        headers: Mapping[str, str] | None = None,
        query: Mapping[str, str] | None = None,
    ) -> dict[str, Any]:
        """One request. Raises ``Refused`` and ``ClusterUnavailable``."""
        for attempt in (1, 2):
            data = None if body is None else json.dumps(body)
            sent = {"content-type": "application/json", **(headers or {})}
            try:
                async with self._request(
                    method, path, data=data, headers=sent, params=query
                ) as reply:
                    text = await reply.text()
            except (aiohttp.ClientError, asyncio.TimeoutError, OSError) as error:
                raise ClusterUnavailable(f"{method} {path}: {error!r}") from error
            if reply.status == 401 and attempt == 1:
                self._access = None
                continue
            return read_answer(method, path, reply.status, text, asked_wait_s(reply.headers))
        raise AssertionError  # the second attempt returns or raises

    def _request(
        self, method: str, path: str, headers: Mapping[str, str] | None = None, **more: Any
    ) -> Any:
        """A request with the credentials of now. Others that are on their way go on with
        theirs: they share the connections, and nothing is closed under them."""
        if self._session is None:
            self._session = aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=60))
        access = self._access
        if access is None or time.monotonic() - access.since > _SIGN_IN_AGAIN_S:
            access = self._access = signed_in()
        sent = {**access.headers, **(headers or {})}
        return self._session.request(
            method, access.server + path, headers=sent, ssl=access.context, **more
        )


def merge_patch(before: Any, after: Any) -> Any:
    """RFC 7386: the change that turns ``before`` into ``after``; None removes a key."""
    if not isinstance(before, Mapping) or not isinstance(after, Mapping):
        return after
    change = {key: None for key in before if key not in after}
    for key, value in after.items():
        if key not in before:
            change[key] = value
        elif before[key] != value:
            change[key] = merge_patch(before[key], value)
    return change
