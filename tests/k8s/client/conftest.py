from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest
import yaml

from kube_api import KubeApi
from kube_store import RESOURCES, KubeStore
from umbel.k8s.client import UmbelClient
from umbel.serving.loop_thread import LoopThread

KINDS = {one.plural: one for one in RESOURCES}


@dataclass
class ApiInThread:
    """The tests' API server on a thread of its own, for a client that waits."""

    api: KubeApi
    loop: LoopThread

    @property
    def config(self) -> dict[str, Any]:
        loaded: dict[str, Any] = yaml.safe_load(self.api.kubeconfig())
        return loaded

    def object(self, plural: str, name: str, namespace: str = "default") -> dict[str, Any]:
        return self.api.store.get(KINDS[plural], namespace, name)

    def objects(self, plural: str) -> list[dict[str, Any]]:
        return self.api.store.objects(KINDS[plural])

    def put_status(self, plural: str, name: str, status: dict[str, Any]) -> None:
        """What an operator would write."""
        old = self.object(plural, name)
        kind = KINDS[plural]
        update = self.api.store.update(kind, old, {**old, "status": status}, status=True)
        self.loop.submit(update).result(5)

    def stop(self) -> None:
        self.loop.submit(self.api.stop()).result(5)

    def start(self) -> None:
        self.loop.submit(self.api.start()).result(5)


@pytest.fixture()
def server() -> Iterator[ApiInThread]:
    loop = LoopThread("kube-api")

    async def make() -> KubeApi:
        api = KubeApi(KubeStore())
        await api.start()
        return api

    found = ApiInThread(loop.submit(make()).result(5), loop)
    try:
        yield found
    finally:
        found.stop()
        loop.close()


@pytest.fixture()
def client(server: ApiInThread) -> UmbelClient:
    return UmbelClient(config_dict=server.config)
