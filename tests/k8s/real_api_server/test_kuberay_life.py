"""Target ``kuberay`` against a real API server, driven with kubectl as its users drive it."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest
import yaml

from fake_cluster import graph, service
from kube_life import condition, ready, served
from real_kube import KubectlFailed, RealKube
from real_operator import RealOperator, StandIn, until

pytestmark = pytest.mark.slow


@pytest.fixture(autouse=True)
def ray(kube: RealKube) -> Iterator[StandIn]:
    with StandIn(kube) as found:
        yield found


def test_what_kubectl_shows(kube: RealKube, namespace: str, operator: RealOperator) -> None:
    operator.start("--leader-elect")
    kube.kubectl("apply", "-f", "-", stdin=[service("iris", namespace=namespace)])
    kube.kubectl("apply", "-f", "-", stdin=[graph("chain", "iris", namespace=namespace)])
    ready(kube, namespace, "isvc/iris", "ig/chain")
    lines = kube.kubectl("get", "isvc", "-n", namespace).splitlines()
    header, row = lines[0].split(), lines[1].split()
    url = f"http://iris-{namespace}.example.com"
    assert header[:3] == ["NAME", "URL", "READY"]
    assert row[0] == "iris"
    assert row[2] == "True", lines
    assert header[-1] == "AGE"
    assert "iris-predictor-00001" in row
    assert row[1].startswith("http://iris"), (row, url)
    (_, row_of_graph) = kube.kubectl("get", "ig", "-n", namespace).splitlines()
    assert row_of_graph.split()[2] == "True"
    described = kube.kubectl("describe", "isvc", "iris", "-n", namespace)
    assert "InferenceServiceReady" in described
    assert kube.get("isvc", "iris", "-n", namespace)["metadata"].get("finalizers", []) == []
    (owner,) = kube.get("rayservice", "iris", "-n", namespace)["metadata"]["ownerReferences"]
    assert owner["uid"] == kube.get("isvc", "iris", "-n", namespace)["metadata"]["uid"]
    assert operator.refused() == []


def test_canary_promotion_and_rollback(
    kube: RealKube, namespace: str, operator: RealOperator
) -> None:
    operator.start()
    kube.kubectl("apply", "-f", "-", stdin=service("iris", "gs://b/one", namespace))
    ready(kube, namespace, "isvc/iris")
    canary = service("iris", "gs://b/two", namespace, canaryTrafficPercent=20)
    kube.kubectl("apply", "-f", "-", stdin=canary)
    until(lambda: traffic(kube, namespace) == {"00002": 20, "00001": 80}, "the canary")
    (columns, row) = kube.kubectl("get", "isvc", "iris", "-n", namespace).splitlines()
    assert columns.split()[3:5] == ["PREV", "LATEST"]
    assert row.split()[3:5] == ["80", "20"]
    change = '{"spec": {"predictor": {"canaryTrafficPercent": null}}}'
    kube.kubectl("patch", "isvc", "iris", "-n", namespace, "--type=merge", "-p", change)
    until(lambda: traffic(kube, namespace) == {"00002": 100}, "the promotion")
    change = '{"spec": {"predictor": {"canaryTrafficPercent": 0}}}'
    kube.kubectl("patch", "isvc", "iris", "-n", namespace, "--type=merge", "-p", change)
    until(lambda: traffic(kube, namespace) == {"00001": 100}, "the rollback")
    ready(kube, namespace, "isvc/iris")
    applications = served(kube, namespace, "iris")
    (holder,) = [one for one in applications if one["route_prefix"] == "/"]
    assert "gs://b/one" in json.dumps(holder)
    assert operator.refused() == []


def traffic(kube: RealKube, namespace: str) -> dict[str, int]:
    status = kube.get("isvc", "iris", "-n", namespace).get("status") or {}
    entries = status.get("components", {}).get("predictor", {}).get("traffic", [])
    return {one["revisionName"].rsplit("-", 1)[1]: one["percent"] for one in entries}


def test_a_stale_replace_is_a_conflict(
    kube: RealKube, namespace: str, operator: RealOperator
) -> None:
    operator.start()
    kube.kubectl("create", "-f", "-", stdin=service("iris", namespace=namespace))
    stale = kube.get("isvc", "iris", "-n", namespace)
    ready(kube, namespace, "isvc/iris")
    stale["spec"]["predictor"]["minReplicas"] = 2
    with pytest.raises(KubectlFailed, match="object has been modified"):
        kube.kubectl("replace", "-f", "-", stdin=stale)
    kube.kubectl("annotate", "isvc", "iris", "-n", namespace, "team=blue")
    kube.kubectl("label", "isvc", "iris", "-n", namespace, "tier=gold")
    ready(kube, namespace, "isvc/iris")


def test_server_side_apply_of_two_owners(
    kube: RealKube, namespace: str, operator: RealOperator
) -> None:
    operator.start()
    one = service("iris", namespace=namespace)
    del one["metadata"]["annotations"]
    words = ("apply", "--server-side", "-f", "-")
    kube.kubectl(*words, "--field-manager=team", "--dry-run=server", stdin=one)
    with pytest.raises(KubectlFailed, match="not found"):
        kube.kubectl("get", "isvc", "iris", "-n", namespace)
    kube.kubectl(*words, "--field-manager=team", stdin=one)
    ready(kube, namespace, "isvc/iris")
    scale = {**one, "spec": {"predictor": {"minReplicas": 2}}}
    kube.kubectl(*words, "--field-manager=scaler", stdin=scale)
    kube.kubectl(*words, "--field-manager=team", stdin=one)
    ready(kube, namespace, "isvc/iris")
    spec = kube.get("isvc", "iris", "-n", namespace)["spec"]["predictor"]
    assert spec["minReplicas"] == 2
    other = {**one, "spec": {"predictor": {"sklearn": {"storageUri": "gs://b/other"}}}}
    with pytest.raises(KubectlFailed, match="conflict"):
        kube.kubectl(*words, "--field-manager=thief", stdin=other)


def test_what_is_somebody_else_s_stays_theirs(
    kube: RealKube, namespace: str, operator: RealOperator
) -> None:
    """A Service of the name is there: no apply takes it over."""
    theirs = kube.kubectl(
        "create", "service", "clusterip", "iris", "--tcp=80:80", "-n", namespace, "-o", "yaml"
    )
    operator.start()
    kube.kubectl("apply", "-f", "-", stdin=service("iris", namespace=namespace))
    until(
        lambda: condition(kube, namespace, "isvc/iris").get("reason") == "ObjectsRefused",
        "the condition",
    )
    told = condition(kube, namespace, "isvc/iris")
    assert "rename one of them" in told["message"]
    assert "ObjectsRefused" in kube.kubectl("get", "events", "-n", namespace)
    now = kube.get("service", "iris", "-n", namespace)
    assert now["spec"] == yaml.safe_load(theirs)["spec"]
    assert "ownerReferences" not in now["metadata"]
    kube.kubectl("delete", "service", "iris", "-n", namespace)
    ready(kube, namespace, "isvc/iris")


def test_what_cannot_start_says_so(
    kube: RealKube, namespace: str, operator: RealOperator, ray: StandIn
) -> None:
    ray.fails["gs://b/broken"] = "ValueError: no model"
    operator.start()
    kube.kubectl("apply", "-f", "-", stdin=service("iris", "gs://b/broken", namespace))
    kube.kubectl("apply", "-f", "-", stdin=service("fine", namespace=namespace))
    kube.kubectl(
        "wait", "--for=condition=Ready=False", "isvc/iris", "-n", namespace, "--timeout=60s"
    )
    assert condition(kube, namespace, "isvc/iris")["message"] == "ValueError: no model"
    ready(kube, namespace, "isvc/fine")
    assert "ValueError: no model" in kube.kubectl("get", "events", "-n", namespace)
    kube.kubectl("apply", "-f", "-", stdin=service("iris", "gs://b/mended", namespace))
    ready(kube, namespace, "isvc/iris")
