"""A small Kubernetes API server on loopback: enough for kopf and for the operator, with the
faults of a real one on demand."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import Awaitable, Callable
from typing import Any

import jsonpatch
import yaml
from aiohttp import web

from kube_store import RESOURCES, KubeStore, Object, Rejected, Resource, merge

AfterWrite = Callable[[int], Awaitable[None]]


class KubeApi:
    """Serves a `KubeStore`. ``conflicts``: how many of the next PATCHes and PUTs get a 409.
    ``after_write``: called with the number of writes after each, before the client hears."""

    def __init__(self, store: KubeStore, port: int = 0) -> None:
        self.store, self.port = store, port
        self.conflicts = 0
        self.after_write: AfterWrite | None = None
        self._runner: web.AppRunner | None = None
        self._streams: set[web.StreamResponse] = set()
        self._cut = asyncio.Event()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    async def start(self) -> None:
        app = web.Application()
        app.router.add_route("*", "/{path:.*}", self._handle)
        self._runner = web.AppRunner(app, shutdown_timeout=0.1)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", self.port)
        await site.start()
        self.port = self._runner.addresses[0][1]

    async def stop(self) -> None:
        """The server is gone; `start` brings it back on the same port."""
        self.close_watches()
        if self._runner is not None:
            await self._runner.cleanup()

    def close_watches(self) -> None:
        """Every open watch ends, as proxies do to them."""
        self._cut.set()
        self._cut = asyncio.Event()

    def kubeconfig(self) -> str:
        """For KUBECONFIG."""
        return yaml.safe_dump(
            {
                "apiVersion": "v1",
                "kind": "Config",
                "clusters": [{"name": "c", "cluster": {"server": self.url}}],
                "users": [{"name": "u", "user": {"token": "secret"}}],
                "contexts": [{"name": "x", "context": {"cluster": "c", "user": "u"}}],
                "current-context": "x",
            }
        )

    async def _handle(self, request: web.Request) -> web.StreamResponse:
        try:
            return await self._route(request)
        except Rejected as error:
            return _status(error)

    async def _route(self, request: web.Request) -> web.StreamResponse:
        parts = [part for part in request.path.split("/") if part]
        if parts == ["version"]:
            return web.json_response({"major": "1", "minor": "33"})
        if parts == ["api"]:
            return web.json_response({"kind": "APIVersions", "versions": ["v1"]})
        if parts == ["apis"]:
            return web.json_response(_groups())
        group, version, rest = _split(parts)
        if not rest:
            return web.json_response(_discovery(group, version))
        namespace = ""
        if rest[0] == "namespaces" and len(rest) > 2:
            namespace, rest = rest[1], rest[2:]
        resource = next(
            (
                one
                for one in RESOURCES
                if (one.group, one.version, one.plural) == (group, version, rest[0])
            ),
            None,
        )
        if resource is None:
            raise Rejected(404, "NotFound", request.path)
        name = rest[1] if len(rest) > 1 else ""
        subresource = rest[2] if len(rest) > 2 else ""
        if request.method == "GET":
            return await self._read(request, resource, namespace, name)
        return await self._write(request, resource, namespace, name, subresource)

    async def _read(
        self, request: web.Request, resource: Resource, namespace: str, name: str
    ) -> web.StreamResponse:
        if name:
            self.store.reads.append(f"{resource.plural}/{namespace}/{name}")
            return web.json_response(self.store.get(resource, namespace, name))
        selects = _selector(request)
        if request.query.get("watch") in ("true", "1"):
            response = web.StreamResponse(headers={"content-type": "application/json"})
            with contextlib.suppress(ConnectionError):  # whoever watched has left
                await self._watch(request, response, resource, namespace, selects)
            return response
        self.store.reads.append(f"{resource.plural}/{namespace}/")
        items = [one for one in self.store.objects(resource, namespace) if selects(one)]
        return web.json_response(
            {
                "apiVersion": resource.api_version,
                "kind": f"{resource.kind}List",
                "metadata": {"resourceVersion": str(self.store.version)},
                "items": items,
            }
        )

    async def _watch(
        self,
        request: web.Request,
        response: web.StreamResponse,
        resource: Resource,
        namespace: str,
        selects: Callable[[Object], bool],
    ) -> None:
        seen = int(request.query.get("resourceVersion") or self.store.version)
        await response.prepare(request)
        cut = self._cut
        if seen < self.store.oldest:
            gone = {"kind": "Status", "code": 410, "reason": "Expired"}
            await response.write(json.dumps({"type": "ERROR", "object": gone}).encode() + b"\n")
            return
        while not cut.is_set():
            for change in list(self.store.since(seen, resource)):
                where = change.object["metadata"].get("namespace", "")
                if namespace in ("", where) and selects(change.object):
                    event = {"type": change.type, "object": change.object}
                    await response.write(json.dumps(event).encode() + b"\n")
                seen = change.version
            await self.store.wait(max(seen, self.store.version), 0.2)
            if seen < self.store.oldest:
                break

    async def _write(
        self,
        request: web.Request,
        resource: Resource,
        namespace: str,
        name: str,
        subresource: str,
    ) -> web.StreamResponse:
        text = await request.text()
        if self.conflicts and request.method in ("PATCH", "PUT"):
            self.conflicts -= 1
            raise Rejected(409, "Conflict", "the object has been modified; please apply again")
        made = await self._changed(request, resource, namespace, name, subresource, text)
        self.store.writes.append((request.method, request.path))
        if self.after_write is not None:
            await self.after_write(len(self.store.writes))
        return web.json_response(made, status=201 if request.method == "POST" else 200)

    async def _changed(
        self,
        request: web.Request,
        resource: Resource,
        namespace: str,
        name: str,
        subresource: str,
        text: str,
    ) -> Object:
        store, status = self.store, subresource == "status"
        if request.method == "POST":
            return await store.create(resource, namespace, json.loads(text))
        kind = request.content_type
        if request.method == "PATCH" and kind == "application/apply-patch+yaml":
            given = yaml.safe_load(text)
            try:
                old = store.get(resource, namespace, name)
            except Rejected:
                return await store.create(resource, namespace, given)
            return await store.update(resource, old, merge(old, given), status=status)
        old = store.get(resource, namespace, name)
        if request.method == "DELETE":
            wanted = (json.loads(text) if text else {}).get("preconditions", {}).get("uid")
            if wanted not in (None, old["metadata"]["uid"]):
                raise Rejected(409, "Conflict", "the UID does not match")
            return await store.delete(resource, old)
        if request.method == "PUT":
            return await store.update(resource, old, json.loads(text), status=status)
        if kind == "application/merge-patch+json":
            return await store.update(resource, old, merge(old, json.loads(text)), status=status)
        if kind == "application/json-patch+json":
            new = jsonpatch.apply_patch(old, json.loads(text))
            return await store.update(resource, old, new, status=status)
        raise Rejected(415, "UnsupportedMediaType", kind)


def _status(error: Rejected) -> web.Response:
    body: dict[str, Any] = {
        "kind": "Status",
        "apiVersion": "v1",
        "status": "Failure",
        "message": str(error),
        "reason": error.reason,
        "code": error.code,
    }
    return web.json_response(body, status=error.code)


def _split(parts: list[str]) -> tuple[str, str, list[str]]:
    if parts and parts[0] == "api":
        return "", parts[1], parts[2:]
    if len(parts) > 2 and parts[0] == "apis":
        return parts[1], parts[2], parts[3:]
    raise Rejected(404, "NotFound", "/".join(parts))


def _groups() -> dict[str, Any]:
    groups: dict[str, list[str]] = {}
    for one in RESOURCES:
        if one.group and one.version not in groups.setdefault(one.group, []):
            groups[one.group].append(one.version)
    return {
        "kind": "APIGroupList",
        "groups": [
            {
                "name": name,
                "versions": [{"groupVersion": f"{name}/{v}", "version": v} for v in versions],
                "preferredVersion": {
                    "groupVersion": f"{name}/{versions[0]}",
                    "version": versions[0],
                },
            }
            for name, versions in groups.items()
        ],
    }


def _discovery(group: str, version: str) -> dict[str, Any]:
    found = []
    for one in RESOURCES:
        if (one.group, one.version) != (group, version):
            continue
        verbs = ["get", "list", "watch", "create", "update", "patch", "delete"]
        entry = {
            "name": one.plural,
            "singularName": one.kind.lower(),
            "kind": one.kind,
            "namespaced": one.namespaced,
            "verbs": verbs,
        }
        found.append(entry)
        if one.status:
            found.append({**entry, "name": f"{one.plural}/status"})
    if not found:
        raise Rejected(404, "NotFound", f"{group}/{version}")
    return {
        "kind": "APIResourceList",
        "groupVersion": f"{group}/{version}" if group else version,
        "resources": found,
    }


def _selector(request: web.Request) -> Callable[[Object], bool]:
    labels = [one for one in request.query.get("labelSelector", "").split(",") if one]
    fields = [one for one in request.query.get("fieldSelector", "").split(",") if one]

    def selects(found: Object) -> bool:
        metadata = found["metadata"]
        own = metadata.get("labels") or {}
        for label in labels:
            key, equals, value = label.partition("=")
            if key not in own or (equals and own[key] != value.lstrip("=")):
                return False
        for one in fields:
            key, _, value = one.partition("=")
            if metadata.get(key.removeprefix("metadata.")) != value.lstrip("="):
                return False
        return True

    return selects
