"""What is rendered for a resource is what a cluster takes, and the same each time."""

from __future__ import annotations

import functools
import json
import lzma
import re
import shlex
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from umbel.k8s.manifests import (
    ClusterOptions,
    RenderOptions,
    RouteOptions,
    as_yaml,
    render,
    render_texts,
)
from umbel.k8s.manifests.workloads import quantity
from umbel.k8s.resources import load

SCHEMA = Path(__file__).with_name("rayservice_v1.json.xz")

IRIS = """
apiVersion: serving.kserve.io/v1beta1
kind: InferenceService
metadata: {name: iris, namespace: team, labels: {app: flowers}}
spec:
  predictor:
    minReplicas: 2
    maxReplicas: 5
    scaleTarget: 10
    timeout: 30
    nodeSelector: {pool: models}
    tolerations: [{key: models, operator: Exists}]
    model:
      modelFormat: {name: sklearn}
      storageUri: gs://kfserving-examples/models/sklearn/1.0/model
      resources: {limits: {cpu: 2, memory: 4Gi}}
"""
GPU = """
apiVersion: serving.kserve.io/v1beta1
kind: InferenceService
metadata: {name: net}
spec:
  predictor:
    minReplicas: 0
    maxReplicas: 3
    model:
      modelFormat: {name: pytorch}
      storageUri: pvc://models/net
      resources: {limits: {cpu: 4, memory: 8Gi, nvidia.com/gpu: "1"}}
"""
GRAPH = """
apiVersion: serving.kserve.io/v1alpha1
kind: InferenceGraph
metadata: {name: twice, namespace: team}
spec:
  nodes:
    root:
      routerType: Sequence
      steps: [{serviceName: iris, name: a}, {serviceName: iris, name: b, data: $request}]
"""
ACCESS = """
apiVersion: v1
kind: ServiceAccount
metadata: {name: reader, namespace: team}
secrets: [{name: s3}]
---
apiVersion: v1
kind: Secret
metadata: {name: s3, namespace: team}
stringData: {AWS_ACCESS_KEY_ID: TOPSECRET1, AWS_SECRET_ACCESS_KEY: TOPSECRET2}
---
apiVersion: v1
kind: Secret
metadata: {name: s3, namespace: other}
stringData: {HF_TOKEN: TOPSECRET3}
"""


def rendered(text: str, options: RenderOptions | None = None) -> list[dict[str, Any]]:
    found = render_texts([("f.yaml", text)], options or RenderOptions())
    assert not [one for one in found.findings if one.severity != "notice"], found.findings
    return list(found.objects)


def one(objects: list[dict[str, Any]], kind: str, name: str = "") -> dict[str, Any]:
    (found,) = (
        o for o in objects if o["kind"] == kind and (not name or o["metadata"]["name"] == name)
    )
    return found


@functools.cache
def ray_service_schema() -> Any:
    schema = json.loads(lzma.decompress(SCHEMA.read_bytes()))
    return jsonschema.Draft202012Validator(closed(schema))


def closed(schema: Any) -> Any:
    """The schema with every field that it does not know refused: an API server drops them."""
    if isinstance(schema, list):
        return [closed(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    made = {key: closed(value) for key, value in schema.items()}
    if isinstance(schema.get("properties"), dict) and schema.get("type") == "object":
        made.setdefault("additionalProperties", False)
    return made


def valid(objects: list[dict[str, Any]]) -> None:
    for ray_service in (o for o in objects if o["kind"] == "RayService"):
        whole = json.loads(json.dumps(ray_service))
        metadata = whole.pop("metadata")
        assert len(metadata["name"]) <= 47
        problems = [
            f"{'.'.join(map(str, e.absolute_path))}: {e.message}"
            for e in ray_service_schema().iter_errors({**whole, "metadata": {}})
            if "metadata" not in e.absolute_path
        ]
        assert problems == []


OPTIONS = [
    RenderOptions(),
    RenderOptions(
        cluster=ClusterOptions(
            tls=True, redis_address="redis:6379", redis_secret="redis", gateway_class="istio"
        ),
        route=RouteOptions(kind="ingress", tls_secret="cert"),
    ),
    RenderOptions(
        cluster=ClusterOptions(token_auth=False),
        route=RouteOptions(path_template="/serving/{namespace}/{name}"),
        policies=False,
        monitor=False,
    ),
]


@pytest.mark.parametrize("options", OPTIONS, ids=["plain", "all", "little"])
@pytest.mark.parametrize("text", [IRIS, GPU, GRAPH], ids=["cpu", "gpu", "graph"])
def test_kuberay_takes_the_ray_service(text: str, options: RenderOptions) -> None:
    if text is GRAPH:
        text = f"{IRIS}\n---\n{GRAPH}"
    objects = rendered(text, options)
    valid(objects)
    for item in objects:
        assert item["metadata"]["name"]
        assert item["metadata"]["namespace"] in ("team", "default")
        assert item["metadata"]["labels"]["app.kubernetes.io/managed-by"] == "umbel"


def test_half_a_core_is_written_as_kuberay_reads_it() -> None:
    """``cpu: 0.5`` without quotes is a number in YAML, which its CRD refuses."""
    objects = rendered(
        """
apiVersion: serving.kserve.io/v1beta1
kind: InferenceService
metadata: {name: iris}
spec:
  predictor:
    model:
      modelFormat: {name: sklearn}
      storageUri: gs://b/iris
      resources: {requests: {cpu: 0.5, memory: 1Gi}, limits: {cpu: 1, memory: 1Gi}}
"""
    )
    valid(objects)
    assert '"cpu": "0.5"' in json.dumps(one(objects, "RayService"))


def test_the_schema_notices_what_kuberay_has_not() -> None:
    objects = rendered(IRIS)
    ray = one(objects, "RayService")
    ray["spec"]["rayClusterConfig"]["headGroupSpec"]["template"]["spec"]["colour"] = "red"
    with pytest.raises(AssertionError, match="colour"):
        valid(objects)


def test_it_is_the_same_bytes_wherever_things_stand() -> None:
    text = f"{IRIS}\n---\n{GRAPH}"
    moved = f"# a comment\n\n{GRAPH}\n---\n{IRIS}"
    assert as_yaml(rendered(text)) == as_yaml(rendered(moved))
    assert as_yaml(rendered(text)) == as_yaml(rendered(text))


def config_of(objects: list[dict[str, Any]], name: str) -> str:
    text: str = one(objects, "RayService", name)["spec"]["serveConfigV2"]
    return text


@pytest.mark.parametrize(
    ("before", "after", "changes"),
    [
        ("timeout: 30", "timeout: 31", True),
        ("1.0/model", "1.1/model", True),
        ("maxReplicas: 5", "maxReplicas: 6", True),
        ("app: flowers", "app: plants", False),
        ("key: models", "key: others", False),
        ("namespace: team", "namespace: crew", False),
    ],
)
def test_the_serve_config_changes_only_with_what_it_says(
    before: str, after: str, changes: bool
) -> None:
    old = config_of(rendered(IRIS), "iris")
    new = config_of(rendered(IRIS.replace(before, after)), "iris")
    assert (old != new) is changes


def test_replicas_change_without_the_code() -> None:
    old = yaml.safe_load(config_of(rendered(IRIS), "iris"))["applications"][0]
    more = IRIS.replace("minReplicas: 2", "minReplicas: 3")
    new = yaml.safe_load(config_of(rendered(more), "iris"))["applications"][0]
    assert old["args"] == new["args"]
    assert old["deployments"] != new["deployments"]


def test_sizes_alone_are_no_reason_for_other_pods() -> None:
    """KubeRay carries no other bounds over to a cluster that runs: they have to hold for all."""
    groups = []
    for text in (IRIS, IRIS.replace("maxReplicas: 5", "maxReplicas: 50")):
        ray = one(rendered(text), "RayService")["spec"]["rayClusterConfig"]
        groups.append(ray["workerGroupSpecs"])
    assert groups[0] == groups[1]
    assert groups[0][0]["maxReplicas"] >= 50


def test_the_service_has_the_port_that_kuberay_gives_it() -> None:
    """KubeRay drops a ``targetPort``, and takes the port that the head's container names."""
    spec = one(rendered(IRIS), "RayService")["spec"]
    (port,) = spec["serveService"]["spec"]["ports"]
    assert (port["name"], port["port"]) == ("serve", 80)
    assert "targetPort" not in port
    cluster = spec["rayClusterConfig"]
    for group in (cluster["headGroupSpec"], *cluster["workerGroupSpecs"]):
        (container,) = group["template"]["spec"]["containers"]
        named = {one["name"]: one["containerPort"] for one in container["ports"]}
        assert named["serve"] == 80
        settings = group["template"]["spec"]["securityContext"]["sysctls"]
        assert settings == [{"name": "net.ipv4.ip_unprivileged_port_start", "value": "0"}]
    assert yaml.safe_load(spec["serveConfigV2"])["http_options"]["port"] == 80


def test_kuberay_reads_what_ray_is_told_of_an_accelerator() -> None:
    """It trims quotes and reads JSON; where it cannot, the pods get no ``num-gpus``."""
    product = "    nodeSelector: {nvidia.com/gpu.product: NVIDIA-A100-SXM4-40GB}\n    model:"
    text = GPU.replace("    model:", product, 1)
    (_, gpu) = one(rendered(text), "RayService")["spec"]["rayClusterConfig"]["workerGroupSpecs"]
    told = gpu["rayStartParams"].get("resources", "")
    assert json.loads(told.strip("'\"` ")) == {"accelerator_type:A100": 1}
    assert shlex.split(f"--resources={told}") == ['--resources={"accelerator_type:A100": 1}']


def test_pods_are_as_large_and_stand_where_the_service_says() -> None:
    ray = one(rendered(IRIS), "RayService")["spec"]["rayClusterConfig"]
    serve, model = ray["workerGroupSpecs"]
    for group in (serve, model):
        assert (group["replicas"], group["minReplicas"]) == (2, 0)
        pod = group["template"]["spec"]
        assert pod["nodeSelector"] == {"pool": "models"}
        assert pod["tolerations"] == [{"key": "models", "operator": "Exists"}]
    (container,) = model["template"]["spec"]["containers"]
    assert container["resources"]["limits"] == {"cpu": 2, "memory": "4Gi"}
    assert model["labels"] == {"pool": "models"}
    config = yaml.safe_load(config_of(rendered(IRIS), "iris"))
    graph, deployment = config["applications"][0]["deployments"]
    assert graph["ray_actor_options"] == {"num_cpus": 1}
    assert deployment["autoscaling_config"]["target_ongoing_requests"] == 10


def test_the_head_takes_requests_unless_workers_outlive_it() -> None:
    """KubeRay switches when all applications run, before a worker has to be ready."""
    redis = RenderOptions(cluster=ClusterOptions(redis_address="redis:6379"))
    (alone, kept) = (
        next(
            o
            for o in render_texts([("f.yaml", IRIS)], options).objects
            if o["kind"] == "RayService"
        )
        for options in (RenderOptions(), redis)
    )
    assert alone["spec"]["excludeHeadPodFromServeSvc"] is False
    assert kept["spec"]["excludeHeadPodFromServeSvc"] is True


def test_an_upgrade_in_steps_keeps_the_address() -> None:
    """KubeRay makes no Service of the resource's name then."""
    stepped = RenderOptions(cluster=ClusterOptions(gateway_class="istio"))
    for options, number in ((RenderOptions(), 0), (stepped, 1)):
        made = render_texts([("f.yaml", IRIS)], options).objects
        found = [o for o in made if o["kind"] == "Service" and o["metadata"]["name"] == "iris"]
        assert len(found) == number
    assert found[0]["spec"]["ports"][0]["port"] == 80
    assert found[0]["spec"]["selector"]["ray.io/serve"] == "true"


def test_a_gpu_model_gets_pods_of_its_own_and_scales_to_zero() -> None:
    spec = one(rendered(GPU), "RayService")["spec"]
    serve, gpu = spec["rayClusterConfig"]["workerGroupSpecs"]
    limits = [g["template"]["spec"]["containers"][0]["resources"]["limits"] for g in (serve, gpu)]
    assert "nvidia.com/gpu" not in limits[0]
    assert limits[1] == {"cpu": 4, "memory": "8Gi", "nvidia.com/gpu": "1"}
    assert (gpu["replicas"], gpu["minReplicas"]) == (0, 0)
    assert spec["excludeHeadPodFromServeSvc"] is False
    pod = gpu["template"]["spec"]
    assert {"name": "pvc-models", "mountPath": "/mnt/pvc/models", "readOnly": True} in pod[
        "containers"
    ][0]["volumeMounts"]


def test_pods_may_do_little() -> None:
    ray = one(rendered(GPU), "RayService")["spec"]["rayClusterConfig"]
    templates = [ray["headGroupSpec"]["template"]]
    templates += [group["template"] for group in ray["workerGroupSpecs"]]
    for template in templates:
        pod = template["spec"]
        assert pod["securityContext"]["runAsNonRoot"] is True
        assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
        for container in pod["containers"]:
            assert container["securityContext"] == {
                "allowPrivilegeEscalation": False,
                "capabilities": {"drop": ["ALL"]},
                "readOnlyRootFilesystem": True,
            }
    for group in ray["workerGroupSpecs"]:
        assert group["template"]["spec"]["automountServiceAccountToken"] is False
    assert ray["authOptions"] == {"mode": "token"}


def test_host_and_path_are_kserves() -> None:
    route = one(rendered(IRIS), "HTTPRoute")
    assert route["spec"]["hostnames"] == ["iris-team.example.com"]
    _, rule = route["spec"]["rules"]
    assert rule["backendRefs"][0]["name"] == "iris"
    assert rule["timeouts"] == {"request": "30s"}
    ray = one(rendered(IRIS), "RayService")
    assert ray["spec"]["serveService"]["metadata"]["name"] == "iris"
    assert ray["spec"]["serveService"]["spec"]["ports"][0]["port"] == 80
    inner = IRIS.replace("labels: {", "labels: {networking.kserve.io/visibility: cluster-local, ")
    assert not [o for o in rendered(inner) if o["kind"] == "HTTPRoute"]
    by_path = rendered(IRIS, OPTIONS[2])
    route = one(by_path, "HTTPRoute", "iris-path")
    assert route["spec"]["hostnames"] == ["example.com"]
    assert route["spec"]["rules"][0]["matches"][0]["path"]["value"] == "/serving/team/iris"


def test_a_graph_calls_its_services_at_their_addresses() -> None:
    objects = rendered(f"{IRIS}\n---\n{GRAPH}")
    assert "url: http://iris.team/v1/models/iris:predict" in config_of(objects, "twice")
    assert "gs://" not in config_of(objects, "twice")


def test_secrets_are_named_and_never_read() -> None:
    text = f"{IRIS.replace('timeout: 30', 'serviceAccountName: reader')}\n---\n{ACCESS}"
    objects = rendered(text)
    ray = one(objects, "RayService")["spec"]["rayClusterConfig"]
    pod = ray["workerGroupSpecs"][0]["template"]["spec"]
    env = {e["name"]: e for e in pod["containers"][0]["env"]}
    assert env["AWS_ACCESS_KEY_ID"]["valueFrom"]["secretKeyRef"] == {
        "name": "s3",
        "key": "AWS_ACCESS_KEY_ID",
    }
    assert "HF_TOKEN" not in env
    assert pod["serviceAccountName"] == "reader"
    assert not [o for o in objects if o["kind"] == "ServiceAccount"]
    assert "TOPSECRET" not in as_yaml(objects)


def test_policies_select_the_pods() -> None:
    objects = rendered(IRIS)
    ray = one(objects, "RayService")["spec"]["rayClusterConfig"]
    labels = ray["workerGroupSpecs"][0]["template"]["metadata"]["labels"]
    assert labels.items() >= {"app": "flowers", "umbel.dev/name": "iris"}.items()
    policy = one(objects, "NetworkPolicy")["spec"]
    assert labels.items() >= policy["podSelector"]["matchLabels"].items()
    budget = one(objects, "PodDisruptionBudget")["spec"]
    assert budget["maxUnavailable"] == 1
    monitor, service = one(objects, "ServiceMonitor"), one(objects, "Service", "iris-metrics")
    wanted = monitor["spec"]["selector"]["matchLabels"]
    assert service["metadata"]["labels"].items() >= wanted.items()
    single = rendered(IRIS.replace("minReplicas: 2", "minReplicas: 1"))
    assert not [o for o in single if o["kind"] == "PodDisruptionBudget"]


def test_a_stopped_or_broken_resource_renders_nothing() -> None:
    stopped = IRIS.replace("labels:", 'annotations: {serving.kserve.io/stop: "true"}, labels:')
    assert rendered(stopped) == []
    broken = render_texts([("f.yaml", IRIS + "    minReplicas: -1\n")], RenderOptions())
    assert broken.objects == ()
    assert broken.findings


def test_what_kubectl_prints_is_read() -> None:
    items = [{**yaml.safe_load(text), "status": {}} for text in (IRIS, GRAPH)]
    listed = yaml.safe_dump({"apiVersion": "v1", "kind": "List", "items": items})
    assert as_yaml(rendered(listed)) == as_yaml(rendered(f"{IRIS}\n---\n{GRAPH}"))


def test_owners_come_with_a_uid() -> None:
    text = IRIS.replace("namespace: team,", "namespace: team, uid: abc-123,")
    for item in render(load([("f.yaml", text)])):
        (owner,) = item["metadata"]["ownerReferences"]
        assert (owner["kind"], owner["name"], owner["uid"]) == (
            "InferenceService",
            "iris",
            "abc-123",
        )


@settings(max_examples=40, deadline=None)
@given(name=st.from_regex(r"[a-z]([-a-z0-9]{0,60}[a-z0-9])?", fullmatch=True))
def test_names_fit(name: str) -> None:
    found = render_texts([("f.yaml", IRIS.replace("name: iris", f"name: {name}"))], RenderOptions())
    for item in found.objects:
        assert len(item["metadata"]["name"]) <= 63
        assert re.fullmatch(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?", item["metadata"]["name"])
    for ray in (o for o in found.objects if o["kind"] == "RayService"):
        assert len(ray["metadata"]["name"]) <= 47


@pytest.mark.parametrize(
    ("text", "number"), [("500m", 0.5), (2, 2), ("2Gi", 2**31), ("1.5", 1.5), ("1k", 1000)]
)
def test_quantities(text: Any, number: float) -> None:
    assert quantity(text) == number


def test_trained_models_are_in_their_services_ray_cluster() -> None:
    service = """
apiVersion: serving.kserve.io/v1beta1
kind: InferenceService
metadata: {name: pool}
spec: {predictor: {model: {modelFormat: {name: xgboost}}}}
---
apiVersion: serving.kserve.io/v1alpha1
kind: TrainedModel
metadata: {name: one}
spec: {inferenceService: pool, model: {storageUri: "s3://b/one", framework: xgboost, memory: 1Mi}}
"""
    rendered = render_texts([("f.yaml", service)], RenderOptions())
    (ray,) = (one for one in rendered.objects if one["kind"] == "RayService")
    assert "s3://b/one" in ray["spec"]["serveConfigV2"]
