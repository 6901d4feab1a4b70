"""gRPC gets to every pod that Serve answers on, inside the cluster and through its way in."""

from __future__ import annotations

from typing import Any

import pytest
import yaml

from umbel.k8s.manifests import RenderOptions, RouteOptions, render_texts

IRIS = """
apiVersion: serving.kserve.io/v1beta1
kind: InferenceService
metadata: {name: iris, namespace: team}
spec:
  predictor:
    timeout: 30
    model:
      modelFormat: {name: onnx}
      protocolVersion: grpc-v2
      storageUri: gs://bucket/iris
"""
GRAPH = """
---
apiVersion: serving.kserve.io/v1alpha1
kind: InferenceGraph
metadata: {name: twice, namespace: team}
spec: {nodes: {root: {routerType: Sequence, steps: [{serviceName: iris}]}}}
"""


def rendered(text: str = IRIS, kind: Any = "gateway") -> list[dict[str, Any]]:
    options = RenderOptions(route=RouteOptions(kind=kind))
    found = render_texts([("f.yaml", text)], options)
    assert [one for one in found.findings if one.severity == "error"] == []
    return list(found.objects)


def named(objects: list[dict[str, Any]], kind: str, name: str) -> dict[str, Any]:
    (found,) = (o for o in objects if (o["kind"], o["metadata"]["name"]) == (kind, name))
    return found


@pytest.mark.parametrize("name", ["iris", "twice"])
def test_the_port_is_one_from_serve_to_the_service(name: str) -> None:
    objects = rendered(IRIS + GRAPH)
    spec = named(objects, "RayService", name)["spec"]
    told = yaml.safe_load(spec["serveConfigV2"])
    assert told["proxy_location"] == "EveryNode"
    port = told["grpc_options"]["port"]
    ray = spec["rayClusterConfig"]
    templates = [one["template"] for one in (ray["headGroupSpec"], *ray["workerGroupSpecs"])]
    for template in templates:
        ports = template["spec"]["containers"][0]["ports"]
        # KubeRay puts what begins with "serve" on the Service NAME.
        assert {"name": "serve-grpc", "containerPort": port, "protocol": "TCP"} in ports
    service = named(objects, "Service", f"{name}-grpc")["spec"]
    (opened,) = service["ports"]
    assert (opened["name"], opened["port"], opened["targetPort"]) == ("h2c", 80, port)
    assert opened["appProtocol"] == "kubernetes.io/h2c"
    assert service["selector"].pop("ray.io/serve") == "true"
    assert service["selector"].pop("ray.io/node-type") == "worker"
    for template in templates:
        assert template["metadata"]["labels"].items() >= service["selector"].items()
    allowed = named(objects, "NetworkPolicy", name)["spec"]["ingress"][1]
    assert {"port": port, "protocol": "TCP"} in allowed["ports"]
    assert "from" not in allowed


def test_the_head_answers_where_there_may_be_no_worker() -> None:
    objects = rendered(IRIS.replace("timeout: 30", "minReplicas: 0"))
    selector = named(objects, "Service", "iris-grpc")["spec"]["selector"]
    assert set(selector) == {"ray.io/serve", "umbel.dev/name", "umbel.dev/kind"}


def test_one_application_has_a_route() -> None:
    """Ray leads gRPC without its own metadata only where a single application is routed."""
    told = yaml.safe_load(named(rendered(), "RayService", "iris")["spec"]["serveConfigV2"])
    assert [one["route_prefix"] for one in told["applications"]] == ["/"]


def test_a_gateway_tells_calls_by_their_path() -> None:
    rules = named(rendered(), "HTTPRoute", "iris")["spec"]["rules"]
    calls, rest = (one["matches"][0]["path"]["value"] for one in rules)
    assert (calls, rest) == ("/inference.GRPCInferenceService", "/")
    (backend,) = rules[0]["backendRefs"]
    assert (backend["name"], backend["port"]) == ("iris-grpc", 80)
    assert rules[0]["timeouts"] == {"request": "30s"}


def test_an_ingress_for_grpc_stands_beside_the_one_for_http() -> None:
    objects = rendered(kind="ingress")
    plain, calls = (named(objects, "Ingress", name) for name in ("iris", "iris-grpc"))
    assert "annotations" not in plain["metadata"]
    noted = calls["metadata"]["annotations"]
    assert noted == {"nginx.ingress.kubernetes.io/backend-protocol": "GRPC"}
    (one,), (other,) = plain["spec"]["rules"], calls["spec"]["rules"]
    assert one["host"] == other["host"]
    (path,) = other["http"]["paths"]
    assert path["path"] == "/inference.GRPCInferenceService"
    assert path["backend"] == {"service": {"name": "iris-grpc", "port": {"number": 80}}}


def test_inside_the_cluster_only() -> None:
    inner = IRIS.replace(
        "namespace: team",
        "namespace: team, labels: {networking.kserve.io/visibility: cluster-local}",
    )
    objects = rendered(inner)
    assert not [one for one in objects if one["kind"] == "HTTPRoute"]
    assert named(objects, "Service", "iris-grpc")
