"""What worker pods get to read a model: variables by reference, files, KServe's default key."""

from __future__ import annotations

from typing import Any

from umbel.k8s.manifests import RenderOptions, render_texts

SERVICE = """
apiVersion: serving.kserve.io/v1beta1
kind: InferenceService
metadata: {name: iris}
spec:
  predictor:
    serviceAccountName: reader
    logger: {mode: all, url: "http://sink.example", storage:
      {path: logs, parameters: {type: s3}, key: logs}}
    model:
      modelFormat: {name: sklearn}
      STORAGE
---
apiVersion: v1
kind: ServiceAccount
metadata: {name: reader}
secrets: [{name: s3}, {name: web}, {name: gcs}, {name: hdfs}]
---
apiVersion: v1
kind: Secret
metadata:
  name: s3
  annotations: {serving.kserve.io/s3-endpoint: "minio:9000", serving.kserve.io/s3-usehttps: "0"}
stringData: {AWS_ACCESS_KEY_ID: TOPSECRET, AWS_SECRET_ACCESS_KEY: TOPSECRET}
---
apiVersion: v1
kind: Secret
metadata: {name: web}
stringData: {https-host: models.example, headers: "authorization: TOPSECRET"}
---
apiVersion: v1
kind: Secret
metadata: {name: gcs}
stringData: {gcloud-application-credentials.json: "{}"}
---
apiVersion: v1
kind: Secret
metadata: {name: hdfs}
stringData: {HDFS_NAMENODE: "http://TOPSECRET:9870"}
"""


def variables(storage: str) -> dict[str, Any]:
    found = render_texts([("a.yaml", SERVICE.replace("STORAGE", storage))], RenderOptions())
    assert not [one for one in found.findings if one.severity == "error"]
    assert "TOPSECRET" not in found.text
    (ray,) = [one for one in found.objects if one["kind"] == "RayService"]
    groups = ray["spec"]["rayClusterConfig"]["workerGroupSpecs"]
    (container,) = groups[0]["template"]["spec"]["containers"]
    return {one["name"]: one.get("value", one.get("valueFrom")) for one in container["env"]}


def test_every_kind_of_secret_of_the_account() -> None:
    env = variables("storageUri: s3://b/m")
    assert env["AWS_ACCESS_KEY_ID"] == {"secretKeyRef": {"name": "s3", "key": "AWS_ACCESS_KEY_ID"}}
    assert env["AWS_ENDPOINT_URL"] == "http://minio:9000"
    assert env["models.example-headers"] == {"secretKeyRef": {"name": "web", "key": "headers"}}
    assert env["GOOGLE_APPLICATION_CREDENTIALS"].endswith("gcloud-application-credentials.json")
    assert "STORAGE_CONFIG" not in env  # the logger's key is not the model's


def test_a_key_that_is_named_must_be_there() -> None:
    env = variables("storage: {key: minio, path: models/iris}")
    assert env["STORAGE_CONFIG"] == {"secretKeyRef": {"name": "storage-config", "key": "minio"}}
    assert "STORAGE_OVERRIDE_CONFIG" not in env


def test_kserves_default_key_is_used_if_it_is_there() -> None:
    env = variables("storage: {path: models/iris, parameters: {type: s3, bucket: b}}")
    assert env["STORAGE_CONFIG"] == {
        "secretKeyRef": {"name": "storage-config", "key": "default_s3", "optional": True}
    }
    assert env["STORAGE_OVERRIDE_CONFIG"] == '{"bucket": "b", "type": "s3"}'


def test_pull_secrets_sign_in_to_the_registry_of_a_model() -> None:
    text = (
        SERVICE.replace("STORAGE", "storageUri: oci://quay.io/team/iris:1")
        .replace(
            "serviceAccountName: reader",
            "serviceAccountName: reader\n    imagePullSecrets: [{name: quay}]",
        )
        .replace("secrets: [{name: s3}", "imagePullSecrets: [{name: hub}]\nsecrets: [{name: s3}")
    )
    found = render_texts([("a.yaml", text)], RenderOptions())
    (ray,) = [one for one in found.objects if one["kind"] == "RayService"]
    pod = ray["spec"]["rayClusterConfig"]["workerGroupSpecs"][0]["template"]["spec"]
    places = {one["mountPath"] for one in pod["containers"][0]["volumeMounts"]}
    assert {"/var/secrets/kserve-hdfscreds", "/var/secrets/registry"} <= places
    (logins,) = [one for one in pod["volumes"] if one["name"] == "registry-logins"]
    assert [one["secret"]["name"] for one in logins["projected"]["sources"]] == ["quay", "hub"]
    assert {"name": "UMBEL_REGISTRY_AUTH", "value": "/var/secrets/registry"} in (
        pod["containers"][0]["env"]
    )
    assert "UMBEL_REGISTRY_AUTH" not in variables("storageUri: s3://b/m")
