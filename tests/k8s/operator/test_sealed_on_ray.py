"""A model in an object store that asks for a signature, served by a real Ray whose dashboard,
state and logs show no value of the Secret that signed the request."""

from __future__ import annotations

import base64
import json
import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import aiohttp
import boto3
import moto.settings
import pytest
from botocore.exceptions import ClientError
from moto.server import ThreadedMotoServer

from fake_cluster import FakeCluster, resource, service
from neighbours import neighbour
from ray_head import RayHead, ray_head
from umbel.nodes.storage.sealed_values import KEY_FILE, SEALED, SealKey

pytestmark = [
    pytest.mark.ray,
    pytest.mark.slow,
    pytest.mark.filterwarnings("ignore:.*utcnow.*:DeprecationWarning"),
]

LOAD = neighbour(Path(__file__).with_name("test_ray_target.py"))
PATHS = (
    "/api/serve/applications/",
    "/logical/actors",
    "/api/jobs/",
    "/api/v0/actors?detail=1&limit=1000",
    "/api/v0/runtime_envs?detail=1&limit=1000",
    "/api/v0/tasks?detail=1&limit=1000",
    "/api/v0/workers?detail=1&limit=1000",
    "/api/v0/jobs?detail=1&limit=1000",
    "/api/v0/cluster_events?detail=1&limit=1000",
)
"""Where Ray tells what runs and with which variables."""


class Store:
    """An S3 that takes signed requests only, once it is closed."""

    def __init__(self, url: str) -> None:
        self.url = url
        root = self._client("s3", "root", "root")
        root.create_bucket(Bucket="models")
        iam = self._client("iam", "root", "root")
        iam.create_user(UserName="reader")
        allowed = {"Effect": "Allow", "Action": "s3:*", "Resource": "*"}
        document = json.dumps({"Version": "2012-10-17", "Statement": [allowed]})
        iam.put_user_policy(UserName="reader", PolicyName="all", PolicyDocument=document)
        made = iam.create_access_key(UserName="reader")["AccessKey"]
        self.key, self.secret = made["AccessKeyId"], made["SecretAccessKey"]
        self._root = root

    def put(self, folder: str, name: str) -> None:
        for file in Path(folder).iterdir():
            self._root.put_object(
                Bucket="models", Key=f"{name}/{file.name}", Body=file.read_bytes()
            )

    def lists_with(self, secret: str) -> bool:
        """Whether a request that was signed with this secret is answered."""
        client = self._client("s3", self.key, secret)
        try:
            client.list_objects_v2(Bucket="models")
        except ClientError:
            return False
        return True

    def _client(self, kind: str, key: str, secret: str) -> Any:
        signed = {"aws_access_key_id": key, "aws_secret_access_key": secret}
        return boto3.client(kind, endpoint_url=self.url, region_name="us-east-1", **signed)


@pytest.fixture()
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Store]:
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    server = ThreadedMotoServer("127.0.0.1", 0)
    server.start()
    found = Store("http://{}:{}".format(*server.get_host_and_port()))
    found.put(LOAD.models(tmp_path)[0], "iris")
    try:
        monkeypatch.setattr(moto.settings, "INITIAL_NO_AUTH_ACTION_COUNT", 0.0)
        yield found
    finally:
        server.stop()


@pytest.fixture()
def head(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[RayHead]:
    """Its nodes look for the key in a file that is not there yet."""
    monkeypatch.setenv(KEY_FILE, str(tmp_path / "node-keys"))
    monkeypatch.setenv("UMBEL_CACHE", str(tmp_path / "cache"))
    with ray_head() as found:
        yield found


async def test_the_model_loads_and_the_dashboard_shows_no_value(
    cluster: FakeCluster, store: Store, head: RayHead, tmp_path: Path
) -> None:
    assert store.lists_with(store.secret)
    assert not store.lists_with("wrong" * 8)
    key, other = SealKey.new(), SealKey.new()
    (tmp_path / "keys").write_text(f"{key.line}\n")
    await _started(cluster, head, store, tmp_path)

    (tmp_path / "node-keys").write_text(f"{other.line}\n{key.line}\n")
    await cluster.apply(_reader("iris"))
    await cluster.until(lambda: cluster.is_ready("InferenceService", "iris"), "ready", 240)
    url = cluster.get("InferenceService", "iris")["status"]["url"]
    body = {"instances": [LOAD.ROW]}
    async with (
        aiohttp.ClientSession() as session,
        session.post(f"{url}/v1/models/iris:predict", json=body) as reply,
    ):
        assert (reply.status, await reply.json()) == (200, {"predictions": [LOAD.OLD]})
        async with session.get(f"{url}/metrics") as metrics:
            shown = {"metrics": await metrics.text()}

    (tmp_path / "node-keys").unlink()
    await cluster.apply(_reader("first"))
    await _says(cluster, "first", f"sealed with the key {key.id}", "No such file", KEY_FILE)
    (tmp_path / "node-keys").write_text(f"{other.line}\n")
    await cluster.apply(_reader("second"))
    await _says(cluster, "second", f"sealed with the key {key.id}; there are {other.id}", KEY_FILE)

    shown |= await _shown_by(head)
    assert SEALED in shown["/api/serve/applications/"]
    shown |= _logs(head.folder)
    shown["operator"] = cluster.log()
    shown["resources"] = json.dumps(cluster.store.objects(resource("InferenceService")))
    shown["events"] = str(cluster.events())
    secrets = (store.secret, key.line[-40:], other.line[-40:], store.key)
    found = [(place, one) for place, text in shown.items() for one in secrets if one in text]
    assert found == []


async def _started(cluster: FakeCluster, head: RayHead, store: Store, folder: Path) -> None:
    data = {"AWS_ACCESS_KEY_ID": store.key, "AWS_SECRET_ACCESS_KEY": store.secret}
    host = store.url.removeprefix("http://")
    notes = {"s3-endpoint": host, "s3-usehttps": "0", "s3-region": "us-east-1"}
    secret = {
        "metadata": {
            "name": "s3",
            "annotations": {f"serving.kserve.io/{key}": value for key, value in notes.items()},
        },
        "data": {k: base64.b64encode(v.encode()).decode() for k, v in data.items()},
    }
    await cluster.store.create(resource("Secret"), "default", secret)
    account = {"metadata": {"name": "reader"}, "secrets": [{"name": "s3"}]}
    await cluster.store.create(resource("ServiceAccount"), "default", account)
    (folder / "token").write_text(head.token)
    await cluster.start_operator(
        *("--dashboard-url", head.dashboard, "--ray-token-file", str(folder / "token")),
        *("--serve-url", f"http://127.0.0.1:{head.serve_port}"),
        *("--serve-port", str(head.serve_port), "--seal-key-file", str(folder / "keys")),
    )


def _reader(name: str) -> dict[str, Any]:
    return service(name, "s3://models/iris", serviceAccountName="reader")


async def _says(cluster: FakeCluster, name: str, *words: str) -> None:
    def says() -> bool:
        found = cluster.condition("InferenceService", name)
        return found.get("status") == "False" and all(one in found["message"] for one in words)

    try:
        await cluster.until(says, "the error", 240)
    except pytest.fail.Exception:
        print(json.dumps(cluster.get("InferenceService", name).get("status"), indent=1))
        raise


async def _shown_by(head: RayHead) -> dict[str, str]:
    headers = {"Authorization": f"Bearer {head.token}"}
    found = {}
    async with aiohttp.ClientSession(headers=headers) as session:
        for path in PATHS:
            async with session.get(head.dashboard + path) as reply:
                assert reply.status == 200, path
                found[path] = await reply.text()
    return found


def _logs(folder: Path) -> dict[str, str]:
    files = [one for one in folder.rglob("*") if one.is_file() and "logs" in one.parts]
    found = {str(one): one.read_text(errors="replace") for one in files}
    assert any("sealed with the key" in text for text in found.values())  # they were read
    return found
