"""Storage credentials as a Secret and a ServiceAccount, as KServe and the operator read them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from umbel import DeclarationError
from umbel.k8s.client import ApiFailure, UmbelClient
from umbel.k8s.operator import credentials
from umbel.k8s.operator.world import World

AWS = "[default]\naws_access_key_id = me\naws_secret_access_key = 50%off\n"
AZURE = {"clientId": "a", "clientSecret": "b", "subscriptionId": "c", "tenantId": "d"}


def test_s3(server: Any, client: UmbelClient, tmp_path: Path) -> None:
    file = tmp_path / "credentials"
    file.write_text(AWS)
    name = client.set_credentials(
        "S3",
        credentials_file=file,
        service_account="sa",
        s3_endpoint="minio:9000",
        s3_use_https=False,
        s3_region="eu-west-1",
        s3_verify_ssl="0",
    )
    secret = server.object("secrets", name)
    assert secret["metadata"]["annotations"] == {
        "serving.kserve.io/s3-endpoint": "minio:9000",
        "serving.kserve.io/s3-region": "eu-west-1",
        "serving.kserve.io/s3-usehttps": "0",
        "serving.kserve.io/s3-verifyssl": "0",
    }
    account = server.object("serviceaccounts", "sa")
    assert account["secrets"] == [{"name": name}]


def test_the_operator_reads_them(server: Any, client: UmbelClient, tmp_path: Path) -> None:
    file = tmp_path / "credentials"
    file.write_text(AWS)
    client.set_credentials("s3", credentials_file=file, s3_endpoint="minio:9000", s3_use_https="0")
    account = "kserve-service-credentials"
    world = World(
        accounts={("default", account): server.object("serviceaccounts", account)},
        secrets={("default", one["metadata"]["name"]): one for one in server.objects("secrets")},
    )
    spec = {"predictor": {"serviceAccountName": account}}
    assert credentials.environment(world, "default", spec) == {
        "AWS_ACCESS_KEY_ID": "me",
        "AWS_SECRET_ACCESS_KEY": "50%off",
        "AWS_ENDPOINT_URL": "http://minio:9000",
    }


def test_an_account_keeps_its_secrets(server: Any, client: UmbelClient, tmp_path: Path) -> None:
    (tmp_path / "gcs.json").write_text('{"type": "service_account"}')
    (tmp_path / "azure.json").write_text(json.dumps(AZURE))
    first = client.set_credentials("GCS", "default", tmp_path / "gcs.json", "sa")
    server.api.conflicts = 2
    second = client.set_credentials("Azure", "default", tmp_path / "azure.json", "sa")
    listed = server.object("serviceaccounts", "sa")["secrets"]
    assert listed == [{"name": first}, {"name": second}]
    assert server.object("secrets", first)["stringData"] == {
        "gcloud-application-credentials.json": '{"type": "service_account"}'
    }
    assert server.object("secrets", second)["stringData"] == {
        "AZURE_CLIENT_ID": "a",
        "AZURE_CLIENT_SECRET": "b",
        "AZURE_SUBSCRIPTION_ID": "c",
        "AZURE_TENANT_ID": "d",
    }


def test_no_secret_is_left_behind(server: Any, client: UmbelClient, tmp_path: Path) -> None:
    (tmp_path / "gcs.json").write_text("{}")
    client.set_credentials("GCS", "default", tmp_path / "gcs.json", "sa")
    server.api.conflicts = 100
    with pytest.raises(ApiFailure):
        client.set_credentials("GCS", "default", tmp_path / "gcs.json", "sa")
    assert len(server.objects("secrets")) == 1


@pytest.mark.parametrize(
    ("storage", "text", "options", "error"),
    [
        ("ftp", "", {}, "expected storage_type S3, GCS or Azure, got 'ftp'"),
        ("S3", AWS, {"s3_profil": "x"}, "S3 has no option 's3_profil'; there are: s3_profile"),
        ("S3", AWS, {"s3_profile": "x"}, "in \\[x\\], 'x' is missing"),
        ("S3", "[default]\n", {}, "aws_access_key_id' is missing"),
        ("S3", "hush", {}, "not an AWS credentials file"),
        ("GCS", "[]", {}, "expected a JSON object"),
        ("Azure", '{"clientId": "a"}', {}, "expected 'clientSecret' to be a text"),
    ],
)
def test_what_cannot_be_read(  # the file's own text is never told
    client: UmbelClient, tmp_path: Path, storage: str, text: str, options: Any, error: str
) -> None:
    file = tmp_path / "file"
    file.write_text(text)
    with pytest.raises(DeclarationError, match=error) as failed:
        client.set_credentials(storage, "default", file, **options)
    assert "hush" not in str(failed.value)


def test_no_file(client: UmbelClient, tmp_path: Path) -> None:
    with pytest.raises(DeclarationError, match="give credentials_file=... for GCS"):
        client.set_credentials("GCS", "default", tmp_path / "none.json")
