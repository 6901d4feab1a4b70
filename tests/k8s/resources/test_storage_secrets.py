"""What a storage Secret's keys and annotations come to, and which key a storage block means."""

from __future__ import annotations

import json
from typing import Any

import pytest

from umbel.k8s.resources.predictor import FRAMEWORKS
from umbel.k8s.resources.storage_secrets import (
    StorageKey,
    account_of,
    annotation_variables,
    storage_key,
    storage_override,
)

KSERVE = "serving.kserve.io/s3-"


@pytest.mark.parametrize(
    ("storage", "expected"),
    [
        ({"key": "minio", "path": "m"}, StorageKey("minio", named=True)),
        ({"path": "m", "parameters": {"type": "s3"}}, StorageKey("default_s3", named=False)),
        ({"path": "m", "parameters": {"type": "hdfs"}}, StorageKey("default_hdfs", named=False)),
        ({"path": "m"}, StorageKey("default", named=False)),
        ({"key": "a", "parameters": {"type": "s3"}}, StorageKey("a", named=True)),
        ({}, StorageKey("default", named=False)),
    ],
)
def test_kserves_default_key(storage: dict[str, Any], expected: StorageKey) -> None:
    for block in ("model", *FRAMEWORKS):
        assert storage_key({block: {"storage": storage}}) == expected


@pytest.mark.parametrize(
    "predictor",
    [
        None,
        [],
        {},
        {"model": {"storageUri": "s3://b/m"}},
        {"model": {"storageUri": "s3://b/m"}, "logger": {"storage": {"key": "logs"}}},
        {"model": "text", "containers": [{"storage": {"key": "k"}}]},
    ],
)
def test_no_key_without_a_storage_block_of_a_model(predictor: Any) -> None:
    assert storage_key(predictor) is None
    assert storage_override(predictor) == ""


def test_parameters_win_over_the_secret() -> None:
    parameters = {"type": "s3", "bucket": "b", "endpoint_url": "http://minio:9000"}
    override = storage_override({"sklearn": {"storage": {"parameters": parameters}}})
    assert json.loads(override) == parameters


def test_annotations_say_how_to_reach_the_store() -> None:
    notes = {
        f"{KSERVE}endpoint": "minio:9000",
        f"{KSERVE}usehttps": "0",
        f"{KSERVE}region": "eu",
        f"{KSERVE}verifyssl": "0",
        f"{KSERVE}useanoncredential": "true",
        f"{KSERVE}cabundle": "/ca/bundle.pem",
        "other": "thing",
    }
    assert annotation_variables(notes) == {
        "AWS_ENDPOINT_URL": "http://minio:9000",
        "AWS_DEFAULT_REGION": "eu",
        "S3_VERIFY_SSL": "0",
        "awsAnonymousCredential": "true",
        "AWS_CA_BUNDLE": "/ca/bundle.pem",
    }
    secure = {"serving.kubeflow.org/s3-endpoint": "s3.example"}
    assert annotation_variables(secure) == {"AWS_ENDPOINT_URL": "https://s3.example"}


def test_the_account_by_its_old_name_too() -> None:
    assert account_of({"serviceAccount": "old"}) == "old"
    assert account_of({"serviceAccount": "old", "serviceAccountName": "new"}) == "new"
    assert account_of(None) == account_of({}) == ""
