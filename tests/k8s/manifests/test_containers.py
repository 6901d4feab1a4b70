"""Components in containers as they are rendered: KServe's Standard mode, byte for byte."""

from __future__ import annotations

from typing import Any

import pytest
import yaml

from umbel.k8s.manifests import RenderOptions, render_texts

HEAD = """
apiVersion: serving.kserve.io/v1beta1
kind: InferenceService
metadata: {name: own, namespace: shop, labels: {team: a}, annotations: {note: b}}
spec:
"""

RUNTIME = """
---
apiVersion: serving.kserve.io/v1alpha1
kind: ServingRuntime
metadata: {name: mine, namespace: shop}
spec:
  annotations: {scrape: "yes"}
  supportedModelFormats: [{name: fancy, version: "1", autoSelect: true}]
  protocolVersions: [v1]
  nodeSelector: {disk: ssd}
  volumes: [{name: shm, emptyDir: {medium: Memory}}]
  containers:
  - name: kserve-container
    image: me/fancy:1.0
    args: ["--model_name={{.Name}}", "--in={{.Namespace}}", "--team={{.Labels.team}}"]
    env: [{name: A, value: "1"}, {name: B, value: "2"}]
    volumeMounts: [{name: shm, mountPath: /dev/shm}]
  - {name: beside, image: me/beside:1}
"""


def rendered(spec: str, more: str = "") -> dict[tuple[str, str], dict[str, Any]]:
    texts = [("f.yaml", HEAD + spec + more)]
    found = render_texts(texts, RenderOptions())
    assert [one for one in found.findings if one.severity == "error"] == [], found.findings
    assert found.text == render_texts(texts, RenderOptions()).text
    return {(one["kind"], one["metadata"]["name"]): one for one in found.objects}


def pod_of(objects: dict[tuple[str, str], dict[str, Any]], component: str) -> dict[str, Any]:
    deployment = objects["Deployment", f"own-{component}"]
    found: dict[str, Any] = deployment["spec"]["template"]["spec"]
    return found


def test_a_container_becomes_kserves_deployment_and_service() -> None:
    objects = rendered(
        "  predictor: {containers: [{image: 'me/x:1', ports: [{containerPort: 3000}]}]}"
    )
    deployment = objects["Deployment", "own-predictor"]
    pod = deployment["spec"]["template"]
    labels = pod["metadata"]["labels"]
    assert labels["app"] == "isvc.own-predictor"
    assert labels["serving.kserve.io/inferenceservice"] == "own"
    assert (labels["component"], labels["team"]) == ("predictor", "a")
    assert pod["metadata"]["annotations"] == {"note": "b"}
    (container,) = pod["spec"]["containers"]
    assert container["name"] == "kserve-container"
    assert container["readinessProbe"]["tcpSocket"] == {"port": 3000}
    assert container["resources"]["limits"] == {"cpu": "1", "memory": "2Gi"}
    assert {"name": "INFERENCE_SERVICE_NAME", "value": "own"} in container["env"]
    assert deployment["spec"]["replicas"] == 1
    (port,) = objects["Service", "own-predictor"]["spec"]["ports"]
    assert (port["port"], port["targetPort"]) == (80, 3000)
    assert objects["Service", "own-predictor"]["spec"]["selector"] == {"app": labels["app"]}
    policy = objects["NetworkPolicy", "own-predictor"]["spec"]
    assert policy["ingress"] == [{"ports": [{"port": 3000, "protocol": "TCP"}]}]
    workers = objects["RayService", "own"]["spec"]["rayClusterConfig"]["workerGroupSpecs"]
    assert "me/x:1" not in str(workers)
    config = yaml.safe_load(objects["RayService", "own"]["spec"]["serveConfigV2"])
    assert "http://own-predictor.shop.svc.cluster.local" in str(config)


def test_a_transformer_gets_kserves_arguments() -> None:
    spec = """
  predictor: {sklearn: {storageUri: 'gs://b/m'}}
  transformer: {containerConcurrency: 4, containers: [{image: t, args: [--http_port=8000]}]}
"""
    objects = rendered(spec)
    (container,) = pod_of(objects, "transformer")["containers"]
    assert container["args"] == [
        "--http_port=8000",
        *("--model_name", "own", "--predictor_host", "own-predictor.shop", "--workers", "4"),
    ]
    alias = objects["Service", "own-predictor"]["spec"]
    assert alias["externalName"] == "own.shop.svc.cluster.local"


def test_a_runtimes_pod_is_merged_as_kserve_merges_it() -> None:
    spec = """
  predictor:
    nodeSelector: {zone: x}
    model:
      modelFormat: {name: fancy}
      runtimeVersion: "2.0"
      storageUri: "gs://b/m"
      args: [--more]
      env: [{name: B, value: "3"}]
      resources: {limits: {cpu: "4"}}
"""
    objects = rendered(spec, RUNTIME)
    pod = pod_of(objects, "predictor")
    main, beside = pod["containers"]
    assert main["image"] == "me/fancy:2.0"
    assert main["args"] == ["--model_name=own", "--in=shop", "--team=a", "--more"]
    values = {one["name"]: one["value"] for one in main["env"]}
    assert (values["A"], values["B"]) == ("1", "3")
    assert main["resources"]["limits"] == {"cpu": "4", "memory": "2Gi"}
    assert beside["image"] == "me/beside:1"
    assert pod["nodeSelector"] == {"disk": "ssd", "zone": "x"}
    assert {one["name"] for one in pod["volumes"]} >= {"shm"}
    (first,) = pod["initContainers"]
    assert first["command"] == ["umbel", "k8s", "fetch"]
    assert first["args"] == ["gs://b/m", "/mnt/models"]
    mounted = {one["mountPath"]: one.get("readOnly") for one in main["volumeMounts"]}
    assert mounted == {"/dev/shm": None, "/mnt/models": True}
    notes = objects["Deployment", "own-predictor"]["spec"]["template"]["metadata"]["annotations"]
    assert notes == {"scrape": "yes", "note": "b"}


def test_a_claim_is_mounted() -> None:
    env = "env: [{name: STORAGE_URI, value: 'pvc://models/a/b'}]"
    objects = rendered("  predictor: {containers: [{image: x, " + env + "}]}")
    pod = pod_of(objects, "predictor")
    assert "initContainers" not in pod
    (volume,) = pod["volumes"]
    assert volume["persistentVolumeClaim"] == {"claimName": "models", "readOnly": True}
    (container,) = pod["containers"]
    (mount,) = container["volumeMounts"]
    assert (mount["mountPath"], mount["subPath"]) == ("/mnt/models", "a/b")
    assert {"name": "STORAGE_URI", "value": "/mnt/models"} in container["env"]


def test_the_download_signs_in_with_the_accounts_secrets() -> None:
    more = """
---
apiVersion: v1
kind: Secret
metadata: {name: keys, namespace: shop}
stringData: {AWS_ACCESS_KEY_ID: a, AWS_SECRET_ACCESS_KEY: b}
---
apiVersion: v1
kind: ServiceAccount
metadata: {name: sa, namespace: shop}
secrets: [{name: keys}]
"""
    env = "env: [{name: STORAGE_URI, value: 's3://b/m'}]"
    spec = "  predictor: {serviceAccountName: sa, containers: [{image: x, " + env + "}]}"
    pod = pod_of(rendered(spec, more), "predictor")
    variables = {one["name"]: one for one in pod["initContainers"][0]["env"]}
    secret = variables["AWS_SECRET_ACCESS_KEY"]["valueFrom"]["secretKeyRef"]
    assert secret == {"name": "keys", "key": "AWS_SECRET_ACCESS_KEY"}
    assert "AWS_SECRET_ACCESS_KEY" not in str(pod["containers"])
    assert pod["serviceAccountName"] == "sa"


def test_one_that_may_grow_gets_an_autoscaler() -> None:
    spec = "  predictor: {minReplicas: 2, maxReplicas: 5, scaleMetric: memory, scaleTarget: 70,"
    objects = rendered(spec + " containers: [{image: x}]}")
    scaler = objects["HorizontalPodAutoscaler", "own-predictor"]["spec"]
    assert (scaler["minReplicas"], scaler["maxReplicas"]) == (2, 5)
    (metric,) = scaler["metrics"]
    target = {"type": "Utilization", "averageUtilization": 70}
    assert metric["resource"] == {"name": "memory", "target": target}
    assert "replicas" not in objects["Deployment", "own-predictor"]["spec"]
    assert ("PodDisruptionBudget", "own-predictor") in objects


@pytest.mark.parametrize(
    "asked",
    [
        "minReplicas: 0",
        "batcher: {maxBatchSize: 4}",
        "maxReplicas: 3, scaleMetric: rps, scaleTarget: 5",
    ],
)
def test_what_a_container_does_not_get_is_told(asked: str) -> None:
    text = HEAD + "  predictor: {" + asked + ", containers: [{image: x}]}"
    found = render_texts([("f.yaml", text)], RenderOptions())
    told = [one for one in found.findings if one.code == "UMB-K531"]
    assert len(told) == 1
    objects = {(one["kind"], one["metadata"]["name"]): one for one in found.objects}
    assert objects["Deployment", "own-predictor"]["spec"].get("replicas", 1) == 1


def test_kserves_own_runtimes_are_known() -> None:
    objects = rendered("  predictor: {paddle: {storageUri: 'gs://b/m'}}")
    (container,) = pod_of(objects, "predictor")["containers"]
    assert container["image"].startswith("kserve/paddleserver:")
    assert "--model_name=own" in container["args"]
    ensemble = rendered(
        "  predictor: {annotations: {umbel.dev/run-as: container}, triton: {storageUri: 'gs://b/e'}}"
    )
    (container,) = pod_of(ensemble, "predictor")["containers"]
    assert container["image"].startswith("nvcr.io/nvidia/tritonserver:")
    model = "{modelFormat: {name: mlflow}, protocolVersion: v2, storageUri: 'gs://b/m'}"
    served = rendered(
        "  predictor: {annotations: {umbel.dev/run-as: container}, model: " + model + "}"
    )
    (container,) = pod_of(served, "predictor")["containers"]
    values = {one["name"]: one["value"] for one in container["env"]}
    assert values["MLSERVER_MODEL_IMPLEMENTATION"] == "mlserver_mlflow.MLflowRuntime"
    assert values["MLSERVER_MODEL_NAME"] == "own"
