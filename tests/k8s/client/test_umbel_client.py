"""The cluster's client against an API server: resources in every form, and every refusal."""

from __future__ import annotations

import copy
import json
import threading
import time
from pathlib import Path
from typing import Any

import pytest
import yaml

from umbel import CheckFailed, DeclarationError
from umbel.k8s.client import (
    AlreadyExists,
    ClusterUnreachable,
    Conflict,
    NotReadyInTime,
    ResourceNotFound,
    UmbelClient,
)
from umbel.k8s.resources import InferenceServiceSpec, load

SERVICE: dict[str, Any] = {
    "apiVersion": "serving.kserve.io/v1beta1",
    "kind": "InferenceService",
    "metadata": {"name": "iris", "namespace": "default"},
    "spec": {
        "predictor": {
            "minReplicas": 1,
            "model": {"modelFormat": {"name": "sklearn"}, "storageUri": "s3://models/iris"},
        }
    },
}
GRAPH = """
apiVersion: serving.kserve.io/v1alpha1
kind: InferenceGraph
metadata: {name: triage}
spec:
  nodes:
    root:
      routerType: Sequence
      steps: [{serviceName: iris}]
"""
MODEL = """
apiVersion: serving.kserve.io/v1alpha1
kind: TrainedModel
metadata: {name: one}
spec:
  inferenceService: iris
  model: {storageUri: "s3://models/one", framework: sklearn, memory: 1Gi}
"""


def ready(generation: int = 1, state: str = "True") -> dict[str, Any]:
    text = {"reason": "ModelMissing", "message": "there is no s3://models/iris"}
    return {
        "observedGeneration": generation,
        "conditions": [{"type": "Ready", "status": state, **(text if state != "True" else {})}],
    }


class SdkModel:
    """Shaped like the classes that OpenAPI's generator makes, KServe's among them."""

    def __init__(self, **fields: Any) -> None:
        self.openapi_types = dict.fromkeys(fields, "object")
        self.attribute_map = {key: names[0] for key, names in fields.items()}
        for key, (_, value) in fields.items():
            setattr(self, key, value)


def sdk_service() -> SdkModel:
    model = SdkModel(
        model_format=("modelFormat", SdkModel(name=("name", "sklearn"), version=("version", None))),
        storage_uri=("storageUri", "s3://models/iris"),
        args=("args", None),
    )
    predictor = SdkModel(min_replicas=("minReplicas", 1), model=("model", model))
    return SdkModel(
        api_version=("apiVersion", "serving.kserve.io/v1beta1"),
        kind=("kind", "InferenceService"),
        metadata=("metadata", {"name": "iris", "namespace": "default"}),
        spec=("spec", SdkModel(predictor=("predictor", predictor))),
    )


def forms(folder: Path) -> dict[str, Any]:
    text = yaml.safe_dump(SERVICE)
    (folder / "iris.yaml").write_text(text)
    (resource,) = load([("iris.yaml", text)]).inference_services
    return {
        "mapping": SERVICE,
        "yaml": text,
        "json": json.dumps(SERVICE),
        "file": str(folder / "iris.yaml"),
        "path": folder / "iris.yaml",
        "resource": resource,
        "sdk": sdk_service(),
    }


@pytest.mark.parametrize("form", ["mapping", "yaml", "json", "file", "path", "resource", "sdk"])
def test_every_form(server: Any, client: UmbelClient, tmp_path: Path, form: str) -> None:
    given = forms(tmp_path)[form]
    before = copy.deepcopy(SERVICE)
    made = client.create(given)
    assert made["metadata"]["uid"]
    assert server.object("inferenceservices", "iris")["spec"] == SERVICE["spec"]
    assert before == SERVICE


def test_a_typed_spec(server: Any, client: UmbelClient) -> None:
    client.create(InferenceServiceSpec.model_validate(SERVICE["spec"]), "default", name="iris")
    assert server.object("inferenceservices", "iris")["spec"] == SERVICE["spec"]


def test_get_list_delete(client: UmbelClient) -> None:
    client.create(SERVICE)
    assert client.get("iris")["metadata"]["name"] == "iris"
    assert [one["metadata"]["name"] for one in client.get()["items"]] == ["iris"]
    client.delete("iris")
    assert client.get()["items"] == []
    with pytest.raises(ResourceNotFound, match="kubectl get inferenceservices -n default"):
        client.get("iris")


def test_patch_changes_what_is_given(server: Any, client: UmbelClient) -> None:
    client.create(SERVICE)
    made = client.patch("iris", {"spec": {"predictor": {"minReplicas": None, "maxReplicas": 3}}})
    predictor = made["spec"]["predictor"]
    assert predictor == {"maxReplicas": 3, "model": SERVICE["spec"]["predictor"]["model"]}
    with pytest.raises(CheckFailed, match="maxReplicas|minReplicas"):
        client.patch("iris", {"spec": {"predictor": {"minReplicas": 9}}})
    assert server.object("inferenceservices", "iris")["spec"] == made["spec"]


def test_replace_takes_the_newest(server: Any, client: UmbelClient) -> None:
    client.create(SERVICE)
    server.api.conflicts = 2
    other = copy.deepcopy(SERVICE)
    other["spec"]["predictor"]["minReplicas"] = 2
    assert client.replace("iris", other)["spec"]["predictor"]["minReplicas"] == 2
    stale = copy.deepcopy(other)
    stale["metadata"]["resourceVersion"] = "1"
    stale["spec"]["predictor"]["minReplicas"] = 3
    with pytest.raises(Conflict, match="replace InferenceService default/iris: 409") as failed:
        client.replace("iris", stale)
    assert failed.value.code == 409


def test_creating_twice(client: UmbelClient) -> None:
    client.create(SERVICE)
    with pytest.raises(AlreadyExists, match=r"use replace\(\) or patch\(\)"):
        client.create(SERVICE)


def test_every_finding_before_anything_is_sent(server: Any, client: UmbelClient) -> None:
    bad = copy.deepcopy(SERVICE)
    bad["spec"]["predictor"] |= {"minReplicas": 5, "maxReplicas": 2, "canaryTrafficPercent": 400}
    with pytest.raises(CheckFailed) as failed:
        client.create(bad)
    assert len([one for one in failed.value.findings if one.severity == "error"]) >= 2
    assert server.objects("inferenceservices") == []
    UmbelClient(config_dict=server.config, check=False).create(bad)
    assert server.objects("inferenceservices") != []


@pytest.mark.parametrize(
    ("given", "text"),
    [
        (yaml.safe_load(GRAPH), "expected apiVersion: serving.kserve.io/v1beta1"),
        ({**SERVICE, "kind": "Pod"}, "expected kind: InferenceService, got 'Pod'"),
        ("no-such-file.yaml", "No such file"),
        ("a: [", "while parsing"),
        ("a: 1\n---\nb: 2\n", "expected one resource, got 2"),
        (7, "got int"),
        ({**SERVICE, "metadata": 3}, "expected metadata to be a mapping"),
    ],
)
def test_what_is_no_service(client: UmbelClient, given: Any, text: str) -> None:
    with pytest.raises(DeclarationError, match=text):
        client.create(given)


def test_two_namespaces(client: UmbelClient) -> None:
    with pytest.raises(DeclarationError, match=r"metadata.namespace is 'default'.*'other'"):
        client.create(SERVICE, "other")


def test_the_namespace_of_the_context(server: Any) -> None:
    config = server.config
    config["contexts"][0]["context"]["namespace"] = "team"
    client = UmbelClient(config_dict=config)
    bare = {**SERVICE, "metadata": {"name": "iris"}}
    assert client.create(bare)["metadata"]["namespace"] == "team"
    assert client.get("iris")["metadata"]["namespace"] == "team"
    assert client.create({**bare, "metadata": {"name": "b", "namespace": "own"}})
    assert client.get("b", "own")


def test_waiting_until_ready(server: Any, client: UmbelClient) -> None:
    client.create(SERVICE)
    assert not client.is_isvc_ready("iris")
    server.put_status("inferenceservices", "iris", ready(state="False"))
    timer = threading.Timer(0.3, server.put_status, ("inferenceservices", "iris", ready()))
    timer.start()
    begun = time.monotonic()
    found = client.wait_isvc_ready("iris", timeout_seconds=10, polling_interval=0.05)
    timer.join()
    assert found["status"]["observedGeneration"] == 1
    assert 0.2 < time.monotonic() - begun < 5
    assert client.is_isvc_ready("iris")


def test_time_is_up(server: Any, client: UmbelClient) -> None:
    client.create(SERVICE)
    with pytest.raises(NotReadyInTime, match="does the operator run"):
        client.wait_isvc_ready("iris", timeout_seconds=0, polling_interval=0.05)
    server.put_status("inferenceservices", "iris", ready(state="False"))
    with pytest.raises(NotReadyInTime, match=r"Ready=False ModelMissing: there is no s3://") as e:
        client.wait_isvc_ready("iris", timeout_seconds=0.1, polling_interval=0.05)
    assert "InferenceService default/iris is not ready after 0.1 s" in str(e.value)


def test_an_older_generations_status_is_not_readiness(server: Any, client: UmbelClient) -> None:
    client.create(SERVICE)
    server.put_status("inferenceservices", "iris", ready())
    client.patch("iris", {"spec": {"predictor": {"minReplicas": 2}}})
    assert not client.is_isvc_ready("iris")
    server.put_status("inferenceservices", "iris", ready(2))
    assert client.is_isvc_ready("iris")


def test_waiting_outlives_the_api_server(server: Any, client: UmbelClient) -> None:
    client.create(SERVICE)
    server.put_status("inferenceservices", "iris", ready())
    server.stop()
    with pytest.raises(ClusterUnreachable, match="does not answer"):
        client.get("iris")
    timer = threading.Timer(0.2, server.start)
    timer.start()
    assert client.wait_isvc_ready("iris", timeout_seconds=10, polling_interval=0.05)
    timer.join()


def test_graphs(server: Any, client: UmbelClient) -> None:
    client.create_inference_graph(GRAPH, "default")
    assert client.get_inference_graph("triage")["spec"]["nodes"]["root"]
    assert not client.is_ig_ready("triage")
    server.put_status("inferencegraphs", "triage", ready())
    assert client.wait_ig_ready("triage", timeout_seconds=1)["metadata"]["name"] == "triage"
    client.delete_inference_graph("triage")
    with pytest.raises(CheckFailed):
        client.create_inference_graph(GRAPH.replace("Sequence", "Squence"))


def test_trained_models(server: Any, client: UmbelClient) -> None:
    client.create_trained_model(MODEL, "default")
    with pytest.raises(DeclarationError, match="is of InferenceService 'iris', not of 'other'"):
        client.wait_model_ready("other", "one")
    with pytest.raises(NotReadyInTime, match="TrainedModel default/one"):
        client.wait_model_ready("iris", "one", timeout_seconds=0)
    server.put_status("trainedmodels", "one", ready())
    assert client.wait_model_ready("iris", "one", timeout_seconds=1)
    client.delete_trained_model("one")
    assert server.objects("trainedmodels") == []
