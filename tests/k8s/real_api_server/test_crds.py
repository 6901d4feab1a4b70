"""The CRDs in a real API server: umbel's own, and KServe's where they are at hand."""

from __future__ import annotations

import copy
import functools
import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from fake_cluster import service
from kube_access import KubeAccess, KubectlFailed
from kube_installation import LOADER, apply_crds, kserve_crds, own_crds
from neighbours import neighbour
from real_operator import until

pytestmark = pytest.mark.slow

SHAPES = neighbour(Path(__file__).parents[1] / "resources" / "test_sample_shapes.py").SHAPES


@pytest.fixture(scope="module", params=["umbel's", "KServe's"])
def served(request: pytest.FixtureRequest, crd_server: KubeAccess) -> KubeAccess:
    """With one set of CRDs; the other's are gone."""
    wanted = own_crds() if request.param == "umbel's" else kserve_crds()
    if not wanted:
        pytest.skip("KServe's CRDs are not here: set UMBEL_KSERVE_CRDS to the folder they are in")
    crd_server.kubectl("delete", "crd", "--all", timeout=120)
    apply_crds(crd_server, wanted)
    return crd_server


def test_all_are_structural(served: KubeAccess) -> None:
    for crd in served.get("crd")["items"]:
        states = {one["type"]: one["status"] for one in crd["status"]["conditions"]}
        assert states.pop("Established") == "True"
        assert states.pop("NamesAccepted") == "True"
        assert "True" not in states.values(), (crd["metadata"]["name"], states)


def test_every_sample_is_taken(served: KubeAccess) -> None:
    """Applied, and applied server-side; what is old is for the webhook to convert."""
    wanted = []
    for number, (text, _) in enumerate(SHAPES.values()):
        for one in yaml.load_all(text, Loader=LOADER):
            if one and one["apiVersion"].startswith("serving.kserve.io/"):
                one["metadata"]["name"] = f"sample-{number}-{one['metadata']['name']}"[:50]
                wanted.append(named(one))
    words = ("apply", "--dry-run=server", "--validate=false", "-f", "-")
    served.kubectl(*words, stdin=copy.deepcopy(wanted), timeout=300)
    assert all("field not declared in schema" in line for line in refusals(served, words, wanted))


def refusals(served: KubeAccess, words: tuple[str, ...], wanted: list[Any]) -> list[str]:
    """Of a server-side apply: a newer server merges only what the schema has."""
    try:
        served.kubectl(*words, "--server-side", stdin=wanted, timeout=300)
    except KubectlFailed as error:
        return [line for line in str(error).splitlines() if "rror" in line]
    return []


def named(raw: Any) -> Any:
    """With a name for each container: KServe's CRDs ask for it, umbel's runtimes do not."""
    for component in raw.get("spec", {}).values():
        if isinstance(component, dict):
            for container in component.get("containers") or ():
                container.setdefault("name", "kserve-container")
    return raw


def test_a_mistake_in_a_field_is_refused(served: KubeAccess) -> None:
    wrong = service(minReplicas="many")
    with pytest.raises(KubectlFailed, match="minReplicas"):
        served.kubectl("apply", "--validate=false", "-f", "-", stdin=wrong)
    unknown = service(minReplica=2)
    with pytest.raises(KubectlFailed, match="minReplica"):
        served.kubectl("apply", "--validate=true", "-f", "-", stdin=unknown)


def test_an_unknown_field_is_pruned(served: KubeAccess) -> None:
    served.kubectl("create", "--validate=false", "-f", "-", stdin=service("pruned", surprise=1))
    found = served.get("isvc", "pruned")["spec"]["predictor"]
    assert "surprise" not in found
    assert found["sklearn"]["storageUri"] == "gs://bucket/one"
    served.kubectl("delete", "isvc", "pruned")


def test_kubectl_explains(served: KubeAccess) -> None:
    """The server publishes the schemas one by one, a while after a CRD is established."""

    def explained(what: str, told: str) -> bool:
        try:
            return told in served.kubectl("explain", what)
        except KubectlFailed:
            return False

    for what, told in (
        ("isvc.spec.predictor.canaryTrafficPercent", "integer"),
        ("ig", "InferenceGraph"),
        ("ig.spec.nodes", "routerType"),
    ):
        until(functools.partial(explained, what, told), f"{what} is explained")


def test_short_names_and_columns(served: KubeAccess) -> None:
    served.kubectl("create", "-f", "-", stdin=service("seen"))
    served.kubectl("get", "isvc,ig,tm,servingruntimes,clusterservingruntimes")
    ready = {"type": "Ready", "status": "True"}
    traffic = [
        {"revisionName": "new", "latestRevision": True, "percent": 20},
        {"revisionName": "old", "percent": 80, "tag": "prev", "latestRevision": False},
    ]
    status = {
        "url": "http://seen.example.com",
        "conditions": [ready],
        "components": {"predictor": {"traffic": traffic}},
    }
    path = "/apis/serving.kserve.io/v1beta1/namespaces/default/inferenceservices/seen"
    raw = served.ask("GET", path)
    served.ask("PUT", f"{path}/status", {**raw, "status": status})
    (header, row) = served.kubectl("get", "isvc", "seen").splitlines()
    assert row.split()[:7] == ["seen", "http://seen.example.com", "True", "80", "20", "old", "new"]
    assert header.split()[:5] == ["NAME", "URL", "READY", "PREV", "LATEST"]
    assert json.loads(served.kubectl("get", "isvc", "seen", "-o", "json"))["status"]["url"]
    served.kubectl("delete", "isvc", "seen")
