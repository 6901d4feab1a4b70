"""`UmbelClient` against a real API server."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from fake_cluster import graph, service
from real_kube import ADMIN_TOKEN, USER_TOKEN, RealKube
from real_operator import RealOperator, StandIn
from umbel.k8s.client import (
    AccessDenied,
    AlreadyExists,
    ApiFailure,
    Conflict,
    ResourceNotFound,
    UmbelClient,
)

pytestmark = pytest.mark.slow


@pytest.fixture(autouse=True)
def ray(kube: RealKube) -> Iterator[StandIn]:
    with StandIn(kube) as found:
        yield found


def test_a_service_s_life(
    kube: RealKube, namespace: str, operator: RealOperator, tmp_path: Path
) -> None:
    operator.start()
    client = UmbelClient(kube.kubeconfig(ADMIN_TOKEN, namespace))
    made = client.create(service("iris", "gs://b/one", namespace), watch=True, timeout_seconds=90)
    assert made["status"]["url"]
    with pytest.raises(AlreadyExists):
        client.create(service("iris", "gs://b/one", namespace))
    stale = client.get("iris")
    changed = client.patch("iris", {"spec": {"predictor": {"minReplicas": 2}}})
    assert changed["spec"]["predictor"]["minReplicas"] == 2
    stale["metadata"].pop("managedFields", None)
    stale["spec"]["predictor"]["maxReplicas"] = 4
    with pytest.raises(Conflict):
        client.replace("iris", stale)
    del stale["metadata"]["resourceVersion"]
    client.replace("iris", stale)
    client.wait_isvc_ready("iris", timeout_seconds=90, polling_interval=0.5)
    client.create_inference_graph(graph("chain", "iris", namespace=namespace))
    client.wait_ig_ready("chain", timeout_seconds=90, polling_interval=0.5)
    assert client.is_ig_ready("chain")
    key = tmp_path / "credentials"
    key.write_text("[default]\naws_access_key_id = me\naws_secret_access_key = hidden\n")
    secret = client.set_credentials("S3", credentials_file=key, service_account="models")
    account = kube.get("serviceaccount", "models", "-n", namespace)
    assert secret in [one["name"] for one in account["secrets"]]
    client.delete_inference_graph("chain")
    client.delete("iris")
    with pytest.raises(ResourceNotFound):
        client.get("iris")


def test_who_may_not(kube: RealKube, namespace: str) -> None:
    client = UmbelClient(kube.kubeconfig(USER_TOKEN, namespace))
    with pytest.raises(AccessDenied) as caught:
        client.get("iris")
    assert "somebody" in str(caught.value)
    assert isinstance(caught.value, ApiFailure)
