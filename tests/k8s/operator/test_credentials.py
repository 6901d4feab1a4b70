"""Which variables the operator makes of a resource's Secrets, and what it says is missing."""

from __future__ import annotations

import base64
import dataclasses
import json
from typing import Any

import pytest

from fake_cluster import service
from umbel.k8s.operator.credentials import accounts_of, environment, missing, secrets_of
from umbel.k8s.operator.revisions import variant
from umbel.k8s.operator.service_plan import plan_service
from umbel.k8s.operator.settings import OperatorSettings
from umbel.k8s.operator.world import World

NAMESPACE = "team"


def world(accounts: dict[str, list[str]], secrets: dict[str, Any]) -> World:
    return World(
        accounts={
            (NAMESPACE, name): {"metadata": {}, "secrets": [{"name": one} for one in listed]}
            for name, listed in accounts.items()
        },
        secrets={
            (NAMESPACE, name): {
                "metadata": {"annotations": notes},
                "data": {k: base64.b64encode(v.encode()).decode() for k, v in values.items()},
            }
            for name, (values, notes) in secrets.items()
        },
    )


def test_every_kind_of_secret() -> None:
    secrets = {
        "s3": ({"awsAccessKeyID": "id"}, {"serving.kserve.io/s3-endpoint": "minio:9000"}),
        "web": ({"https-host": "models.example", "headers": "a: b"}, {}),
        "gcs": ({"gcloud-application-credentials.json": "{}"}, {}),
        "hdfs": ({"HDFS_NAMENODE": "http://nn:9870", "KERBEROS_KEYTAB": "k"}, {}),
    }
    spec = {"predictor": {"serviceAccount": "reader"}}
    found = environment(world({"reader": ["s3", "web", "gcs", "hdfs"]}, secrets), NAMESPACE, spec)
    assert found == {
        "AWS_ACCESS_KEY_ID": "id",
        "AWS_ENDPOINT_URL": "https://minio:9000",
        "models.example-headers": "a: b",
        "UMBEL_GOOGLE_KEY": "{}",
        "HDFS_NAMENODE": "http://nn:9870",
    }
    assert accounts_of(spec) == {"reader"}


def test_kserves_default_key_may_be_missing_and_a_named_one_not() -> None:
    default = {"predictor": {"model": {"storage": {"path": "m", "parameters": {"type": "s3"}}}}}
    named = {"predictor": {"model": {"storage": {"path": "m", "key": "mine"}}}}
    nothing = world({}, {})
    assert missing(nothing, NAMESPACE, default) == []
    assert environment(nothing, NAMESPACE, default) == {"STORAGE_OVERRIDE_CONFIG": '{"type": "s3"}'}
    (gone,) = missing(nothing, NAMESPACE, named)
    assert "no Secret 'storage-config'" in gone.message
    there = world({}, {"storage-config": ({"default_s3": '{"bucket": "b"}', "other": "{}"}, {})})
    assert environment(there, NAMESPACE, default)["STORAGE_CONFIG"] == '{"bucket": "b"}'
    (wrong,) = missing(there, NAMESPACE, named)
    assert "no key 'mine'" in wrong.message
    assert "default_s3, other" in wrong.fix


@pytest.mark.parametrize("over", [{"containers": [{"image": "x"}]}, {"onnx": {"storageUri": "b"}}])
def test_a_canarys_implementation_takes_the_place_of_the_stable_one(over: dict[str, Any]) -> None:
    content = {"spec": {"predictor": {"minReplicas": 2, "model": {"storageUri": "a"}}}}
    made = variant(content, {"name": "b", **over})["spec"]["predictor"]
    assert made == {"minReplicas": 2, **over}


def test_values_go_to_a_shared_ray_only_and_never_into_a_ray_service() -> None:
    raw = service(uri="s3://bucket/model", serviceAccountName="reader")
    raw["metadata"] |= {"namespace": NAMESPACE, "uid": "1", "generation": 1}
    there = world({"reader": ["s3"]}, {"s3": ({"AWS_SECRET_ACCESS_KEY": "hush"}, {})})
    there = dataclasses.replace(there, services=(raw,))
    for target, expected in (("ray", True), ("kuberay", False)):
        outcome = plan_service(there, raw, OperatorSettings(target=target))
        assert outcome.applications
        assert ("hush" in str(outcome.applications)) is expected


def test_pull_secrets_are_for_models_in_registries() -> None:
    def logins(**hosts: str) -> tuple[dict[str, str], dict[str, Any]]:
        auths = {host.replace("_", "."): {"auth": auth} for host, auth in hosts.items()}
        return {".dockerconfigjson": json.dumps({"auths": auths})}, {}

    there = world({"reader": []}, {"own": logins(quay_io="b3du"), "shared": logins(quay_io="c2g=")})
    there.accounts[(NAMESPACE, "reader")]["imagePullSecrets"] = [{"name": "shared"}]
    image = {
        "serviceAccountName": "reader",
        "imagePullSecrets": [{"name": "own"}, {"name": "gone"}],
        "model": {"storageUri": "oci://quay.io/team/iris"},
    }
    found = environment(there, NAMESPACE, {"predictor": image})
    assert json.loads(found["DOCKER_AUTH_CONFIG"]) == {"auths": {"quay.io": {"auth": "b3du"}}}
    accounts = [there.accounts[(NAMESPACE, "reader")]]
    assert secrets_of({"predictor": image}, accounts) == {"own", "gone", "shared"}
    bucket = {**image, "model": {"storageUri": "s3://bucket/iris"}}
    assert environment(there, NAMESPACE, {"predictor": bucket}) == {}
    assert secrets_of({"predictor": bucket}, accounts) == set()


def test_what_a_shared_ray_cannot_give_is_told_and_plain_variables_are_given() -> None:
    raw = service(uri="s3://bucket/model")
    predictor = raw["spec"]["predictor"]
    predictor |= {"tolerations": [{"key": "a"}], "nodeSelector": {"pool": "a"}}
    (block,) = [one for one in predictor.values() if isinstance(one, dict) and "storageUri" in one]
    secret = {"secretKeyRef": {"name": "s", "key": "k"}}
    block["env"] = [{"name": "MODE", "value": "fast"}, {"name": "TOKEN", "valueFrom": secret}]
    block["envFrom"] = [{"configMapRef": {"name": "c"}}]
    raw["metadata"] |= {"namespace": NAMESPACE, "uid": "1", "generation": 1}
    there = dataclasses.replace(world({}, {}), services=(raw,))
    outcome = plan_service(there, raw, OperatorSettings(target="ray"))
    (app,) = outcome.applications
    assert app["runtime_env"]["env_vars"] == {"MODE": "fast"}
    assert outcome.status is not None
    (told,) = [one for one in outcome.status["conditions"] if one["type"] == "Warnings"]
    assert [line.split()[1] for line in told["message"].splitlines()] == [
        "spec.predictor.tolerations",
        "spec.predictor.sklearn.envFrom",
        "spec.predictor.sklearn.env[TOKEN]",
    ]
    own = plan_service(there, raw, OperatorSettings(target="kuberay"))
    assert own.status is not None
    assert not [one for one in own.status["conditions"] if one["type"] == "Warnings"]
