"""A cluster with KServe's resources changes to umbel's CRDs, and back: no object loses a word."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from kube_access import KubeAccess
from kube_installation import LOADER, apply_crds, kserve_crds, own_crds
from neighbours import neighbour

pytestmark = pytest.mark.slow

SHAPES = neighbour(Path(__file__).parents[1] / "resources" / "test_sample_shapes.py").SHAPES
PLURALS = {
    "InferenceService": "inferenceservices",
    "InferenceGraph": "inferencegraphs",
    "ServingRuntime": "servingruntimes",
    "ClusterServingRuntime": "clusterservingruntimes",
    "TrainedModel": "trainedmodels",
}
STATUS = {
    "url": "http://it.example.com",
    "observedGeneration": 1,
    "conditions": [
        {"type": "Ready", "status": "True", "lastTransitionTime": "2026-01-01T00:00:00Z"}
    ],
    "components": {"predictor": {"latestReadyRevision": "it-predictor-00001"}},
}

Objects = dict[tuple[str, str], Mapping[str, Any]]


def samples() -> list[dict[str, Any]]:
    """Of every shape that KServe's samples have, with names of their own."""
    found = []
    for number, (text, _) in enumerate(SHAPES.values()):
        for one in yaml.load_all(text, Loader=LOADER):
            if not one or "serving.kubeflow.org" in one["apiVersion"]:
                continue
            if one["kind"] not in PLURALS:
                continue
            for component in one.get("spec", {}).values():
                for container in component.get("containers") or () if _is(component) else ():
                    container.setdefault("name", "kserve-container")
            one["metadata"]["name"] = f"sample-{number}-{one['metadata']['name']}"[:50]
            one["metadata"].pop("namespace", None)
            found.append(one)
    return found


def _is(value: object) -> bool:
    return isinstance(value, dict)


def kept(kube: KubeAccess) -> Objects:
    """What all objects say, as the server tells it."""
    found = {}
    for kind, plural in PLURALS.items():
        for one in kube.get(plural, "-A")["items"]:
            told = {key: one[key] for key in ("spec", "status") if key in one}
            found[kind, one["metadata"]["name"]] = told
    return found


def touch(kube: KubeAccess, number: int) -> None:
    """Every object is written again."""
    for plural in PLURALS.values():
        kube.kubectl("annotate", plural, "--all", "--overwrite", f"written={number}")


@pytest.mark.parametrize("first", ["KServe's", "umbel's"])
def test_there_and_back(crd_server: KubeAccess, first: str) -> None:
    theirs, own = kserve_crds(), own_crds()
    if not theirs:
        pytest.skip("KServe's CRDs are not here: set UMBEL_KSERVE_CRDS to the folder they are in")
    crd_server.kubectl("delete", "crd", "--all", timeout=120)
    begin, other = (theirs, own) if first == "KServe's" else (own, theirs)
    apply_crds(crd_server, begin)
    wanted = samples()
    words = ("create", "--validate=false", "-f", "-")
    crd_server.kubectl(*words, stdin=copy.deepcopy(wanted), timeout=300)
    name = next(o["metadata"]["name"] for o in wanted if o["kind"] == "InferenceService")
    path = f"/apis/serving.kserve.io/v1beta1/namespaces/default/inferenceservices/{name}"
    crd_server.ask("PUT", f"{path}/status", {**crd_server.ask("GET", path), "status": STATUS})
    before = kept(crd_server)
    assert len(before) == len(wanted)
    assert before["InferenceService", name]["status"] == STATUS
    for number, crds in enumerate((other, begin)):
        apply_crds(crd_server, crds, "--force-conflicts")
        assert kept(crd_server) == before
        touch(crd_server, number)
        assert kept(crd_server) == before


def test_a_second_apply_changes_nothing(crd_server: KubeAccess) -> None:
    """The server adds no defaults that would come as differences to whoever compares."""
    crd_server.kubectl("delete", "crd", "--all", timeout=120)
    own = own_crds()
    apply_crds(crd_server, own)
    before = {one["metadata"]["name"]: one["metadata"] for one in crd_server.get("crd")["items"]}
    apply_crds(crd_server, own)
    after = {one["metadata"]["name"]: one["metadata"] for one in crd_server.get("crd")["items"]}
    assert {n: m["generation"] for n, m in after.items()} == {
        n: m["generation"] for n, m in before.items()
    }
