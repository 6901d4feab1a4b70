"""The webhooks of a cluster: one certificate for all replicas, told to the API server."""

from __future__ import annotations

import asyncio
import json
import socket
import ssl
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest

pytest.importorskip("cryptography")
pytest.importorskip("kopf")
pytest.importorskip("jsonpatch")

from free_ports import free_port
from kube_api import KubeApi
from kube_store import RESOURCES, KubeStore, Rejected, Resource
from umbel.k8s.admission.certificates import Certificate, service_names
from umbel.k8s.admission.hosting import HostingOptions, host_webhooks
from umbel.k8s.install import InstallOptions, installation

OPTIONS = HostingOptions(host="127.0.0.1", port=0, check_s=0.1)
NAMES = service_names(OPTIONS.service, OPTIONS.namespace)
GRAPH = {
    "apiVersion": "serving.kserve.io/v1alpha1",
    "kind": "InferenceGraph",
    "metadata": {"name": "g", "namespace": "team"},
    "spec": {"nodes": {"root": {"routerType": "Sequence", "steps": [{"serviceName": "iris"}]}}},
}
SERVICE = {
    "apiVersion": "serving.kserve.io/v1beta1",
    "kind": "InferenceService",
    "metadata": {"name": "iris", "namespace": "team"},
    "spec": {"predictor": {"sklearn": {"storageUri": "s3://b/iris"}}},
}


def resource(kind: str) -> Resource:
    (found,) = (one for one in RESOURCES if one.kind == kind)
    return found


@pytest.fixture()
async def api(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[KubeApi]:
    """An API server with umbel installed, which the process is signed in to."""
    store = KubeStore()
    api = KubeApi(store)
    await api.start()
    config = tmp_path / "config"
    config.write_text(api.kubeconfig())
    monkeypatch.setenv("KUBECONFIG", str(config))
    kinds = {one.kind: one for one in RESOURCES} | {"CustomResourceDefinition": resource("CRD")}
    for one in installation(InstallOptions()):
        if (
            one["kind"].endswith("WebhookConfiguration")
            or one["kind"] == "CustomResourceDefinition"
        ):
            await store.create(kinds[one["kind"]], "", one)
    yield api
    await api.stop()


@pytest.fixture()
def store(api: KubeApi) -> KubeStore:
    return api.store


def bundles(store: KubeStore) -> set[str]:
    found = set()
    for kind in ("ValidatingWebhookConfiguration", "MutatingWebhookConfiguration"):
        for one in store.objects(resource(kind)):
            found |= {w["clientConfig"].get("caBundle", "") for w in one["webhooks"]}
    for one in store.objects(resource("CRD")):
        if "conversion" in one["spec"]:
            found.add(one["spec"]["conversion"]["webhook"]["clientConfig"].get("caBundle", ""))
    return found


async def until(holds: Any) -> None:
    for _ in range(200):
        if holds():
            return
        await asyncio.sleep(0.05)
    raise AssertionError("it did not come to that in 10 s")


def listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def secret(store: KubeStore) -> Any:
    found = store.objects(resource("Secret"))
    return Certificate.from_secret(found[0]) if found else None


async def review(port: int, ca: str) -> Any:
    request = {"uid": "u", "operation": "CREATE", "namespace": "team", "object": GRAPH}
    body = {"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "request": request}
    async with (
        aiohttp.ClientSession() as session,
        session.post(
            f"https://127.0.0.1:{port}/validate",
            data=json.dumps(body),
            ssl=ssl.create_default_context(cadata=ca),
            server_hostname=NAMES[0],
        ) as reply,
    ):
        return (await reply.json())["response"]


async def test_replicas_share_a_certificate_that_the_api_server_trusts(store: KubeStore) -> None:
    stop, ports = asyncio.Event(), (free_port(), free_port())
    replicas = [
        asyncio.create_task(
            host_webhooks(HostingOptions(host="127.0.0.1", port=port, check_s=0.1), stop)
        )
        for port in ports
    ]
    try:
        await until(lambda: secret(store) and bundles(store) == {secret(store).ca_bundle})
        await until(lambda: all(map(listens, ports)))
        certificate = secret(store)
        for port in ports:
            answer = await review(port, certificate.ca)
            assert answer["allowed"] is True
            assert "iris" in answer["warnings"][0]
        await store.create(resource("InferenceService"), "team", SERVICE)
        await asyncio.sleep(0.5)
        assert "warnings" not in await review(ports[0], certificate.ca)

        steady = store.version
        await asyncio.sleep(0.5)
        assert store.version == steady
    finally:
        stop.set()
        await asyncio.gather(*replicas)


async def test_an_overloaded_api_server_is_asked_again(api: KubeApi) -> None:
    async def times_out(writes: int) -> None:
        if writes <= 2:
            raise Rejected(504, "Timeout", "request did not complete within requested timeout 34s")

    api.after_write = times_out
    stop, port = asyncio.Event(), free_port()
    options = HostingOptions(host="127.0.0.1", port=port, retry_s=0.05)
    task = asyncio.create_task(host_webhooks(options, stop))
    try:
        await until(lambda: task.done() or listens(port))
        assert not task.done()
        assert bundles(api.store) == {secret(api.store).ca_bundle}
    finally:
        stop.set()
        await asyncio.gather(task, return_exceptions=True)
