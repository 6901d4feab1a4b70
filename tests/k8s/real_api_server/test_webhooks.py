"""The webhooks behind a real API server, registered and served as the installation does it: at
their Service's address, with the certificate they made themselves."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator

import pytest

from fake_cluster import graph, service
from free_ports import free_port
from kube_binaries import kube_binaries
from real_kube import KubectlFailed, RealKube
from real_operator import SYSTEM, until

pytestmark = pytest.mark.slow

WEBHOOKS = "umbel-webhooks"
OLD = {
    "apiVersion": "serving.kserve.io/v1alpha2",
    "kind": "InferenceService",
    "metadata": {"name": "old"},
    "spec": {"default": {"predictor": {"sklearn": {"storageUri": "gs://b/old"}}}},
}


@pytest.fixture(scope="module")
def empty_kube(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RealKube]:
    """The kube-apiserver by itself: the newer server for CRDs would look for the webhooks'
    Service by its name, and there is no name server."""
    binaries = kube_binaries()
    if isinstance(binaries, str):
        pytest.skip(binaries)
    found = RealKube(binaries, tmp_path_factory.mktemp("kube"))
    try:
        found.start()
        yield found
    finally:
        found.close()


@pytest.fixture(scope="module")
def webhooks(kube: RealKube) -> Iterator[RealKube]:
    """There is no kube-proxy that would take port 443 to the pods': the objects name theirs."""
    port = free_port()
    address = kube.get("service", WEBHOOKS, "-n", SYSTEM)["spec"]["clusterIP"]
    for kind in ("validatingwebhookconfiguration", "mutatingwebhookconfiguration"):
        _patch(
            kube,
            kind,
            WEBHOOKS,
            f'[{{"op":"replace","path":"/webhooks/0/clientConfig/service/port","value":{port}}}]',
        )
    _patch(
        kube,
        "crd",
        "inferenceservices.serving.kserve.io",
        f'[{{"op":"replace","path":"/spec/conversion/webhook/clientConfig/service/port","value":{port}}}]',
    )
    ports = f'[{{"op":"replace","path":"/spec/ports/0/port","value":{port}}}]'
    _patch(kube, "service", WEBHOOKS, ports, "-n", SYSTEM)
    token = kube.token(WEBHOOKS, SYSTEM)
    words = ["-m", "umbel", "k8s", "webhooks", "--host", address, "--port", str(port)]
    with (kube.folder / "webhooks.log").open("ab") as log:
        process = subprocess.Popen(
            [sys.executable, *words],
            env={**os.environ, "KUBECONFIG": str(kube.kubeconfig(token))},
            stderr=log,
        )
    try:
        until(lambda: "webhooks on port" in kube.log("webhooks"), "they serve")
        until(lambda: _refuses(kube), "the API server has heard of them")
        yield kube
    finally:
        process.terminate()
        assert process.wait(20) == 0


def _patch(kube: RealKube, kind: str, name: str, operations: str, *words: str) -> None:
    kube.kubectl("patch", kind, name, "--type=json", "-p", operations, *words)


def _refuses(kube: RealKube) -> bool:
    try:
        kube.kubectl("create", "--dry-run=server", "-f", "-", stdin=service(minReplicas=-1))
    except KubectlFailed as error:
        return "UMB-K211" in str(error)
    return False


def test_all_findings_are_told(webhooks: RealKube) -> None:
    wrong = service(minReplicas=3, maxReplicas=1, canaryTrafficPercent=200)
    with pytest.raises(KubectlFailed) as caught:
        webhooks.kubectl("apply", "-f", "-", stdin=wrong)
    text = str(caught.value)
    assert 'The InferenceService "iris" is invalid' in text
    assert "UMB-K211" in text
    assert "fix:" in text
    assert "canaryTrafficPercent" in text
    cycle = graph("one", "one")
    cycle["spec"]["nodes"]["root"]["steps"] = [{"nodeName": "root"}]
    with pytest.raises(KubectlFailed, match="UMB-"):
        webhooks.kubectl("apply", "-f", "-", stdin=cycle)


def test_warnings_reach_the_user(webhooks: RealKube) -> None:
    missing = graph("lonely", "nobody")
    told = webhooks.kubectl("apply", "--dry-run=server", "-f", "-", stdin=missing)
    assert "Warning:" in told
    assert "nobody" in told


def test_defaults_are_written(webhooks: RealKube) -> None:
    webhooks.kubectl("apply", "-f", "-", stdin=service("defaulted"))
    predictor = webhooks.get("isvc", "defaulted")["spec"]["predictor"]
    assert predictor["model"]["modelFormat"] == {"name": "sklearn"}
    assert "sklearn" not in predictor
    webhooks.kubectl("apply", "-f", "-", stdin=service("defaulted", "gs://b/other"))
    predictor = webhooks.get("isvc", "defaulted")["spec"]["predictor"]
    assert predictor["model"]["storageUri"] == "gs://b/other"
    webhooks.kubectl("delete", "isvc", "defaulted")


def test_old_versions_are_converted(webhooks: RealKube) -> None:
    told = webhooks.kubectl("create", "-f", "-", stdin=OLD)
    assert "deprecated" in told
    new = webhooks.get("isvc", "old")
    assert new["apiVersion"] == "serving.kserve.io/v1beta1"
    assert new["spec"]["predictor"]["model"]["storageUri"] == "gs://b/old"
    old = webhooks.get("inferenceservices.v1alpha2.serving.kserve.io", "old")
    assert old["spec"]["default"]["predictor"]["sklearn"]["storageUri"] == "gs://b/old"
    change = '{"spec": {"default": {"predictor": {"sklearn": {"storageUri": "gs://b/x"}}}}}'
    kind = "inferenceservices.v1alpha2.serving.kserve.io"
    webhooks.kubectl("patch", kind, "old", "--type=merge", "-p", change)
    assert webhooks.get("isvc", "old")["spec"]["predictor"]["model"]["storageUri"] == "gs://b/x"
    webhooks.kubectl("delete", "isvc", "old")


def test_they_use_no_right_they_do_not_have(webhooks: RealKube) -> None:
    asked = webhooks.audit(WEBHOOKS)
    assert asked
    assert [one for one in asked if one["responseStatus"].get("code") == 403] == []
