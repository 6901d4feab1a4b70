"""A cluster without Kubernetes: a small API server, Serve's REST API, and the operator as a
process between them."""

from __future__ import annotations

import asyncio
import contextlib
import os
import sys
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from kube_api import KubeApi
from kube_store import RESOURCES, KubeStore, Object, Resource
from serve_api import ServeApi

COMMAND = ("-m", "umbel", "k8s", "operator")

KINDS = {one.kind: one for one in RESOURCES}


@dataclass
class FakeCluster:
    """The servers, and the operator's process while it runs."""

    folder: Path
    store: KubeStore
    api: KubeApi
    serve: ServeApi
    process: asyncio.subprocess.Process | None = None
    arguments: list[str] = field(default_factory=list)

    async def start_operator(self, *arguments: str, target: str = "ray") -> None:
        """Start it; ``arguments`` come after those that every test needs."""
        config = self.folder / "kubeconfig"
        config.write_text(self.api.kubeconfig())
        self.arguments = list(arguments)
        words = [*COMMAND, "--target", target, "--poll", "0.1"]
        words += ["--linger", "0.3", "--dashboard-url", self.serve.url, *arguments]
        with (self.folder / "operator.log").open("ab") as log:
            self.process = await asyncio.create_subprocess_exec(
                sys.executable,
                *words,
                env={**os.environ, "KUBECONFIG": str(config)},
                stderr=log,
            )

    async def end_operator(self, *, kill: bool = False) -> int:
        assert self.process is not None
        with contextlib.suppress(ProcessLookupError):
            self.process.kill() if kill else self.process.terminate()
        return await asyncio.wait_for(self.process.wait(), 20)

    def log(self) -> str:
        return (self.folder / "operator.log").read_text()

    async def apply(self, raw: Object) -> Object:
        """Create it, or lay it over what is there, as a user's kubectl would."""
        kind = KINDS[raw["kind"]]
        namespace = raw["metadata"].get("namespace", "")
        if not self.has(raw["kind"], raw["metadata"]["name"], namespace):
            return await self.store.create(kind, namespace, raw)
        old = self.store.get(kind, namespace, raw["metadata"]["name"])
        new = {**old, "spec": raw.get("spec", {})}
        new["metadata"] = {**old["metadata"], "annotations": raw["metadata"].get("annotations", {})}
        return await self.store.update(kind, old, new)

    async def delete(self, kind: str, name: str, namespace: str = "default") -> None:
        found = self.store.get(KINDS[kind], namespace, name)
        await self.store.delete(KINDS[kind], found)

    def get(self, kind: str, name: str, namespace: str = "default") -> Object:
        return self.store.get(KINDS[kind], namespace, name)

    def has(self, kind: str, name: str, namespace: str = "default") -> bool:
        names = {one["metadata"]["name"] for one in self.store.objects(KINDS[kind], namespace)}
        return name in names

    def condition(self, kind: str, name: str, type_: str = "Ready") -> Object:
        """A condition of the generation that the spec has now; empty while it is older."""
        found = self.get(kind, name)
        status = found.get("status") or {}
        if status.get("observedGeneration") != found["metadata"]["generation"]:
            return {}
        return next((c for c in status.get("conditions", []) if c["type"] == type_), {})

    def is_ready(self, kind: str, name: str) -> bool:
        return self.condition(kind, name).get("status") == "True"

    def events(self) -> list[tuple[str, str]]:
        found = self.store.objects(KINDS["Event"])
        return [(one["reason"], one["message"]) for one in found]

    def traffic(self, name: str) -> dict[str, int]:
        """Revision → percent, as the status has it."""
        status = self.get("InferenceService", name).get("status") or {}
        entries = status.get("components", {}).get("predictor", {}).get("traffic", [])
        return {one["revisionName"]: one["percent"] for one in entries}

    async def until(self, holds: Callable[[], Any], what: str = "", timeout: float = 20) -> None:
        end = time.monotonic() + timeout
        while not holds():
            if time.monotonic() > end:
                pytest.fail(f"not within {timeout} s: {what}\n{self.log()[-3000:]}")
            await asyncio.sleep(0.02)

    async def settles(self, seconds: float = 0.7) -> None:
        """Until nothing was written for a while."""
        while True:
            before = (len(self.store.writes), len(self.serve.puts))
            await asyncio.sleep(seconds)
            if before == (len(self.store.writes), len(self.serve.puts)):
                return


@contextlib.asynccontextmanager
async def fake_cluster(folder: Path) -> AsyncIterator[FakeCluster]:
    """The servers, started; whatever runs is ended."""
    store = KubeStore()
    found = FakeCluster(folder, store, KubeApi(store), ServeApi())
    await found.api.start()
    await found.serve.start()
    try:
        yield found
    finally:
        if found.process is not None and found.process.returncode is None:
            await found.end_operator(kill=True)
        await found.api.stop()
        await found.serve.stop()


def resource(kind: str) -> Resource:
    return KINDS[kind]


def service(
    name: str = "iris",
    uri: str = "gs://bucket/one",
    namespace: str = "default",
    annotations: dict[str, str] | None = None,
    **predictor: Any,
) -> Object:
    return {
        "apiVersion": "serving.kserve.io/v1beta1",
        "kind": "InferenceService",
        "metadata": {
            "name": name,
            "namespace": namespace,
            "annotations": annotations or {},
        },
        "spec": {"predictor": {"sklearn": {"storageUri": uri}, **predictor}},
    }


def graph(name: str, *services: str, namespace: str = "default") -> Object:
    steps = [{"serviceName": one, "name": one, "data": "$response"} for one in services]
    return {
        "apiVersion": "serving.kserve.io/v1alpha1",
        "kind": "InferenceGraph",
        "metadata": {"name": name, "namespace": namespace, "annotations": {}},
        "spec": {"nodes": {"root": {"routerType": "Sequence", "steps": steps}}},
    }
