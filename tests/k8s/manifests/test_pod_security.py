"""Every pod that umbel makes of its own accord is what the level ``restricted`` asks for."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from typing import Any

import pytest

from pod_security import violations
from umbel.k8s.install import InstallOptions, installation
from umbel.k8s.manifests import ClusterOptions, RenderOptions, render_texts

SERVICES = """
apiVersion: serving.kserve.io/v1beta1
kind: InferenceService
metadata: {name: iris, namespace: team}
spec:
  predictor:
    serviceAccountName: reader
    minReplicas: 2
    labels: {team: flowers, umbel.dev/name: other, app.kubernetes.io/managed-by: me}
    imagePullSecrets: [{name: pull}]
    model:
      modelFormat: {name: sklearn}
      storageUri: s3://bucket/model
---
apiVersion: serving.kserve.io/v1beta1
kind: InferenceService
metadata: {name: claimed, namespace: team}
spec:
  predictor:
    model:
      modelFormat: {name: pytorch}
      storageUri: pvc://models/net
      resources: {limits: {nvidia.com/gpu: "1"}}
---
apiVersion: serving.kserve.io/v1beta1
kind: InferenceService
metadata: {name: image, namespace: team}
spec:
  predictor:
    model: {modelFormat: {name: sklearn}, storageUri: oci://quay.io/team/net}
---
apiVersion: serving.kserve.io/v1alpha1
kind: InferenceGraph
metadata: {name: chain, namespace: team}
spec:
  nodes:
    root: {routerType: Sequence, steps: [{serviceName: iris, name: iris}]}
---
apiVersion: v1
kind: ServiceAccount
metadata: {name: reader, namespace: team}
secrets: [{name: s3}, {name: gcs}]
---
apiVersion: v1
kind: Secret
metadata: {name: s3, namespace: team}
data: {AWS_ACCESS_KEY_ID: eA==, AWS_SECRET_ACCESS_KEY: eA==}
---
apiVersion: v1
kind: Secret
metadata: {name: gcs, namespace: team}
data: {gcloud-application-credentials.json: e30=}
"""
OPTIONS = {
    "plain": RenderOptions(),
    "all": RenderOptions(
        cluster=ClusterOptions(
            tls=True, redis_address="redis:6379", redis_secret="redis", gateway_class="istio"
        )
    ),
}


def templates(value: Any, where: str = "") -> Iterator[tuple[str, dict[str, Any]]]:
    """All pod templates in some objects."""
    if isinstance(value, list):
        for index, one in enumerate(value):
            yield from templates(one, f"{where}[{index}]")
    elif isinstance(value, dict):
        if isinstance(value.get("spec"), dict) and "containers" in value["spec"]:
            yield where, value
        for key, one in value.items():
            yield from templates(one, f"{where}.{key}")


def rendered(options: RenderOptions) -> list[dict[str, Any]]:
    made = render_texts([("resources.yaml", SERVICES)], options)
    assert not [one for one in made.findings if one.severity == "error"]
    return [dict(one) for one in made.objects]


@pytest.mark.parametrize("name", OPTIONS)
def test_pods_of_resources_are_restricted(name: str) -> None:
    objects = rendered(OPTIONS[name])
    found = dict(templates(objects))
    assert len(found) >= 8  # a head and workers for each of four
    assert {where: bad for where, one in found.items() if (bad := violations(one))} == {}
    sidecars = [
        one["spec"]["rayClusterConfig"]["autoscalerOptions"]
        for one in objects
        if one["kind"] == "RayService"
    ]
    assert len(sidecars) == 4
    for options in sidecars:  # a container that KubeRay adds to the head's pod
        (head, *_) = found.values()
        pod = {**head["spec"], "containers": [{"name": "autoscaler", **options}]}
        assert violations({"spec": pod}) == []


@pytest.mark.parametrize("target", ["kuberay", "ray"])
def test_pods_of_the_installation_are_restricted(target: str) -> None:
    options = InstallOptions(target=target, dashboard="http://ray:8265", token_secret="token")
    found = dict(templates(installation(options)))
    assert len(found) == 2
    assert {where: bad for where, one in found.items() if (bad := violations(one))} == {}


@pytest.mark.parametrize("name", OPTIONS)
def test_workers_have_no_token_and_pods_a_root_they_cannot_write(name: str) -> None:
    for where, one in templates(rendered(OPTIONS[name])):
        spec = one["spec"]
        if "workerGroupSpecs" in where:
            assert spec["automountServiceAccountToken"] is False
        for container in spec["containers"]:
            assert container["securityContext"]["readOnlyRootFilesystem"] is True
        assert spec["securityContext"]["runAsUser"] == 1000


def test_a_component_cannot_take_its_pods_from_under_their_policy() -> None:
    objects = rendered(RenderOptions())
    policies = [one for one in objects if one["kind"] == "NetworkPolicy"]
    for service in (one for one in objects if one["kind"] == "RayService"):
        own = service["metadata"]["name"]
        (policy,) = [one for one in policies if one["metadata"]["name"] == own]
        wanted = policy["spec"]["podSelector"]["matchLabels"].items()
        for _, one in templates(service):
            assert wanted <= one["metadata"]["labels"].items()
    (iris,) = [
        one for one in objects if one["kind"] == "RayService" and one["metadata"]["name"] == "iris"
    ]
    for _, one in templates(iris):
        assert one["metadata"]["labels"]["team"] == "flowers"
        assert one["metadata"]["labels"]["app.kubernetes.io/managed-by"] == "umbel"


def test_rays_own_ports_are_not_for_other_pods() -> None:
    for policy in rendered(RenderOptions()):
        if policy["kind"] != "NetworkPolicy":
            continue
        assert policy["spec"]["policyTypes"] == ["Ingress"]  # models lie anywhere: no egress rule
        for rule in policy["spec"]["ingress"]:
            numbers = {port["port"] for port in rule.get("ports", ())}
            if "from" not in rule:
                assert not numbers & {6379, 8265, 10001}
                assert numbers
            elif numbers:
                assert numbers == {8265}
                (peer,) = rule["from"]
                assert peer["podSelector"]["matchLabels"] == {
                    "app.kubernetes.io/name": "kuberay-operator"
                }


BAD: dict[str, Any] = {
    "hostNetwork": {"hostNetwork": True},
    "hostPID": {"hostPID": True},
    "volumes[v]": {"volumes": [{"name": "v", "hostPath": {"path": "/"}}]},
    "sysctls[kernel.msgmax]": {"securityContext": {"sysctls": [{"name": "kernel.msgmax"}]}},
    "runAsUser": {"securityContext": {"runAsUser": 0}},
    "runAsNonRoot": {"securityContext": {"runAsNonRoot": False}},
    "seccompProfile": {"securityContext": {"seccompProfile": {"type": "Unconfined"}}},
    "appArmorProfile": {"securityContext": {"appArmorProfile": {"type": "Unconfined"}}},
    "seLinuxOptions": {"securityContext": {"seLinuxOptions": {"user": "root"}}},
}
BAD_CONTAINER: dict[str, Any] = {
    "privileged": {"securityContext": {"privileged": True}},
    "allowPrivilegeEscalation": {"securityContext": {}},
    "capabilities.drop": {"securityContext": {"allowPrivilegeEscalation": False}},
    "capabilities.add": {"securityContext": {"capabilities": {"add": ["SYS_ADMIN"]}}},
    "procMount": {"securityContext": {"procMount": "Unmasked"}},
    "hostPort": {"ports": [{"hostPort": 80}]},
    "httpGet.host": {"livenessProbe": {"httpGet": {"host": "169.254.169.254"}}},
}


@pytest.mark.parametrize("name", [*BAD, *BAD_CONTAINER])
def test_the_rules_find_what_is_forbidden(name: str) -> None:
    _, good = next(templates(rendered(RenderOptions())))
    bad = copy.deepcopy(good)
    for key, value in BAD.get(name, {}).items():
        old = bad["spec"].get(key)
        bad["spec"][key] = {**old, **value} if isinstance(old, dict) else value
    bad["spec"]["containers"][0] |= BAD_CONTAINER.get(name, {})
    assert violations(good) == []
    assert [one for one in violations(bad) if one.endswith(name)]
