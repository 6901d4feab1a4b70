"""What components in containers come to, taken by a real API server: every object, whole."""

from __future__ import annotations

import copy
from typing import Any

import pytest
import yaml

from kube_access import KubeAccess
from umbel.k8s.manifests import RenderOptions, render_texts

pytestmark = pytest.mark.slow

SERVICES = """
apiVersion: serving.kserve.io/v1beta1
kind: InferenceService
metadata: {name: whole, annotations: {serving.kserve.io/deploymentMode: Standard}}
spec:
  predictor:
    minReplicas: 2
    maxReplicas: 6
    nodeSelector: {disk: ssd}
    tolerations: [{key: a, operator: Exists}]
    deploymentStrategy: {type: Recreate}
    containers:
    - name: kserve-container
      image: me/x:1
      ports: [{name: http, containerPort: 3000}, {containerPort: 9000}]
      env: [{name: STORAGE_URI, value: "s3://b/m"}]
      livenessProbe: {httpGet: {path: /live, port: http}}
    - {name: transformer-container, image: "me/t:1", ports: [{containerPort: 8000}]}
  transformer: {containers: [{image: "me/words:1"}]}
  explainer: {containers: [{image: "me/why:1", resources: {requests: {cpu: 100m}}}]}
---
apiVersion: serving.kserve.io/v1beta1
kind: InferenceService
metadata: {name: format}
spec:
  predictor:
    paddle: {storageUri: "pvc://models/paddle"}
---
apiVersion: serving.kserve.io/v1beta1
kind: InferenceService
metadata: {name: before}
spec:
  predictor: {sklearn: {storageUri: "gs://b/m"}}
  transformer: {maxReplicas: 3, containers: [{image: "me/t:1"}]}
---
apiVersion: serving.kserve.io/v1beta1
kind: InferenceService
metadata: {name: several}
spec:
  predictor:
    storageUris: [{uri: "hf://a/b", mountPath: /mnt/models/a}, {uri: "pvc://c", mountPath: /mnt/c}]
    model: {modelFormat: {name: huggingface}}
"""

KINDS = ("Deployment", "Service", "HorizontalPodAutoscaler", "NetworkPolicy", "PodDisruptionBudget")


def test_every_object_is_taken(empty_kube: KubeAccess, namespace_of_its_own: str) -> None:
    found = render_texts([("f.yaml", SERVICES)], RenderOptions(namespace=namespace_of_its_own))
    assert [one for one in found.findings if one.severity != "notice"] == []
    ours = [known(empty_kube, one) for one in found.objects if one["kind"] in KINDS]
    assert {one["kind"] for one in ours} == set(KINDS)
    for words in (("apply",), ("apply", "--server-side")):
        empty_kube.kubectl(*words, "--dry-run=server", "-f", "-", stdin=copy.deepcopy(ours))


@pytest.fixture()
def namespace_of_its_own(empty_kube: KubeAccess) -> str:
    empty_kube.kubectl("create", "namespace", "containers")
    return "containers"


def known(kube: KubeAccess, raw: dict[str, Any]) -> dict[str, Any]:
    """In the version of an API server of long ago, which has the same fields."""
    older = {"autoscaling/v2": "autoscaling/v2beta2", "policy/v1": "policy/v1beta1"}
    served = kube.kubectl("api-versions").split()
    version = raw["apiVersion"]
    chosen = version if version in served else older.get(version, version)
    return yaml.safe_load(yaml.safe_dump({**raw, "apiVersion": chosen}))  # type: ignore[no-any-return]
