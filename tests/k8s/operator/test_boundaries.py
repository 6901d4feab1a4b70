"""What a resource can not make the operator do, and whose applications it leaves alone."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import copy
import socket
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp import web

from fake_cluster import FakeCluster, resource, service

pytestmark = pytest.mark.slow


async def test_no_foreign_secret_no_download_no_code(cluster: FakeCluster, tmp_path: Path) -> None:
    asked: list[str] = []

    async def answer(request: web.Request) -> web.Response:
        asked.append(request.path)
        return web.Response(text="")

    app = web.Application()
    app.router.add_route("*", "/{path:.*}", answer)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    port = runner.addresses[0][1]
    (tmp_path / "evil.py").write_text(f"open({str(tmp_path / 'ran')!r}, 'w')\n")
    await _credentials(cluster)

    await cluster.start_operator()
    await cluster.apply(service("web", uri=f"http://127.0.0.1:{port}/model.joblib"))
    await cluster.apply(service("named", uri="s3://bucket/model", serviceAccountName="storage"))
    await cluster.apply(service("sly", serviceAccountName="../../other/serviceaccounts/storage"))
    await cluster.apply(service("greedy", serviceAccountName="greedy"))
    custom = service("custom", annotations={"umbel.dev/predictor-class": "evil:Evil"})
    custom["spec"]["predictor"] = {
        "containers": [{"name": "kserve-container", "image": "x", "command": [str(tmp_path)]}]
    }
    await cluster.apply(custom)
    for name in ("web", "named", "custom", "greedy"):
        await cluster.until(lambda name=name: cluster.is_ready("InferenceService", name), name)
    await cluster.settles()
    assert asked == []
    assert not (tmp_path / "ran").exists()
    secrets = [read for read in cluster.store.reads if read.startswith("secrets/")]
    assert secrets
    assert all(read.startswith("secrets/default/") for read in secrets)
    assert "secrets/default/" not in secrets  # by name, never all of them
    assert "secrets/default/unrelated" not in secrets
    assert not any("other" in read for read in cluster.store.reads)
    holder = cluster.serve.holder("/default/named")
    assert holder is not None
    assert holder["runtime_env"]["env_vars"]["AWS_ACCESS_KEY_ID"] == "ours"
    assert "theirs" not in str(cluster.serve.applications)
    await runner.cleanup()


async def _credentials(cluster: FakeCluster) -> None:
    for namespace, value in (("default", "ours"), ("other", "theirs")):
        for name in ("keys", "unrelated"):
            data = {"AWS_ACCESS_KEY_ID": base64.b64encode(value.encode()).decode()}
            await cluster.store.create(
                resource("Secret"), namespace, {"metadata": {"name": name}, "data": data}
            )
        for name, secret in (("storage", "keys"), ("greedy", "../../other/secrets/keys")):
            await cluster.store.create(
                resource("ServiceAccount"),
                namespace,
                {"metadata": {"name": name}, "secrets": [{"name": secret}]},
            )


async def test_what_is_missing_is_told_with_what_to_do(cluster: FakeCluster) -> None:
    await cluster.start_operator()
    await cluster.apply(service("fine"))
    await cluster.apply(service("lost", serviceAccountName="nobody"))
    keyed = service("keyed")
    keyed["spec"]["predictor"]["sklearn"] = {"storage": {"key": "mine", "path": "models/iris"}}
    await cluster.apply(keyed)
    for name, words in (("lost", "no ServiceAccount 'nobody'"), ("keyed", "'storage-config'")):
        await cluster.until(
            lambda name=name: cluster.condition("InferenceService", name).get("status") == "False"
        )
        assert words in cluster.condition("InferenceService", name)["message"]
        await cluster.until(  # the event follows the status
            lambda words=words: any(words in message for _, message in cluster.events())
        )
    await cluster.until(lambda: cluster.is_ready("InferenceService", "fine"))
    made = {"metadata": {"name": "nobody"}}
    await cluster.store.create(resource("ServiceAccount"), "default", made)
    await cluster.apply(service("other"))  # whatever wakes it
    await cluster.until(lambda: cluster.is_ready("InferenceService", "lost"), "found")


async def test_others_applications_stay_as_they_are(cluster: FakeCluster) -> None:
    theirs = {
        "name": "theirs",
        "route_prefix": "/theirs",
        "import_path": "their.module:app",
        "runtime_env": {"env_vars": {"KEY": "value"}},
        "args": {"nested": [1, {"two": None}]},
        "deployments": [{"name": "d", "num_replicas": 3}],
    }
    script = {"name": "script", "route_prefix": "/script", "source": "imperative"}
    cluster.serve.declare(copy.deepcopy(theirs))
    cluster.serve.declare(copy.deepcopy(script))
    await cluster.start_operator("--namespace", "default", "--name", "one")
    await cluster.apply(service())
    await cluster.apply(service(namespace="elsewhere"))
    await cluster.until(lambda: cluster.is_ready("InferenceService", "iris"))
    await cluster.delete("InferenceService", "iris")
    await cluster.until(lambda: not cluster.has("InferenceService", "iris"))
    assert cluster.serve.applications == {"theirs": theirs, "script": script}
    for put in cluster.serve.puts:
        assert [one for one in put["applications"] if one["name"] == "theirs"] == [theirs]
        assert not [one for one in put["applications"] if one["name"] == "script"]
    assert "status" not in cluster.get("InferenceService", "iris", "elsewhere")


async def test_trained_models_are_part_of_their_service(cluster: FakeCluster) -> None:
    pool = service()
    pool["spec"]["predictor"] = {"model": {"modelFormat": {"name": "sklearn"}}}
    model = {
        "apiVersion": "serving.kserve.io/v1alpha1",
        "kind": "TrainedModel",
        "metadata": {"name": "first", "namespace": "default"},
        "spec": {
            "inferenceService": "iris",
            "model": {"storageUri": "s3://bucket/1", "framework": "sklearn", "memory": "1Gi"},
        },
    }
    await cluster.start_operator()
    await cluster.apply(model)
    await cluster.until(
        lambda: (
            cluster.condition("TrainedModel", "first", "InferenceServiceReady").get("reason")
            == "InferenceServiceNotFound"
        )
    )
    await cluster.apply(pool)
    await cluster.until(lambda: cluster.is_ready("TrainedModel", "first"), "the model")
    status = cluster.get("TrainedModel", "first")["status"]
    assert status["url"] == "http://127.0.0.1:8000/default/iris/v1/models/first:predict"
    assert "s3://bucket/1" in str(cluster.serve.holder("/default/iris"))


async def test_the_operator_serves_admission_webhooks_too(cluster: FakeCluster) -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    flags = ("--webhooks", "--webhook-host", "127.0.0.1", "--webhook-port", str(port))
    await cluster.start_operator(*flags)
    bad = service(minReplicas=3, maxReplicas=1)
    review = {
        "apiVersion": "admission.k8s.io/v1",
        "kind": "AdmissionReview",
        "request": {"uid": "1", "operation": "CREATE", "namespace": "default", "object": bad},
    }
    answers: list[Any] = []

    async def asked() -> None:
        url, tls = f"https://127.0.0.1:{port}/validate", aiohttp.TCPConnector(ssl=False)
        async with aiohttp.ClientSession(connector=tls) as session:
            while not answers:
                with contextlib.suppress(aiohttp.ClientError):
                    async with session.post(url, json=review) as reply:
                        answers.append(await reply.json())
                await asyncio.sleep(0.1)

    await asyncio.wait_for(asked(), 20)
    response = answers[0]["response"]
    assert not response["allowed"]
    assert "UMB-K211" in response["status"]["message"]
    assert cluster.has("Secret", "umbel-webhooks", "umbel-system")  # the certificate
