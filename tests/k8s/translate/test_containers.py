"""Which components run as containers, and the graphs that call them."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import yaml

from umbel.graph import portable
from umbel.graph.checks import check
from umbel.graph.implementations import HttpServer, ModelFile, RemoteService
from umbel.graph.inference import infer
from umbel.graph.passes import plan
from umbel.graph.router_steps import Predict
from umbel.k8s.resources import load
from umbel.k8s.translate import Translated, translate
from umbel.k8s.translate.containers import (
    IN_CLUSTER,
    NOWHERE,
    ContainerAddresses,
    in_containers,
)

MODEL = {"modelFormat": {"name": "sklearn"}, "storageUri": "gs://b/m"}
IMAGE = {"name": "kserve-container", "image": "me/x:1"}
CLASS = {**IMAGE, "command": ["shop:Words"]}


def text(spec: dict[str, Any], runtime: dict[str, Any] | None = None, **notes: str) -> str:
    service = {
        "apiVersion": "serving.kserve.io/v1beta1",
        "kind": "InferenceService",
        "metadata": {"name": "own", "namespace": "shop", "annotations": notes},
        "spec": spec,
    }
    documents: list[Any] = [service]
    if runtime is not None:
        documents.append(
            {
                "apiVersion": "serving.kserve.io/v1alpha1",
                "kind": "ServingRuntime",
                "metadata": {"name": "mine", "namespace": "shop"},
                "spec": runtime,
            }
        )
    return yaml.safe_dump_all(documents)


def translated(spec: dict[str, Any], addresses: ContainerAddresses = IN_CLUSTER) -> Translated:
    return translate([("f.yaml", text(spec))], addresses)


def chosen(spec: dict[str, Any], runtime: dict[str, Any] | None = None, **notes: str) -> list[str]:
    loaded = load([("f.yaml", text(spec, runtime, **notes))])
    return list(in_containers(loaded.inference_services[0], loaded))


def runtime(image: str, format_: str = "sklearn") -> dict[str, Any]:
    return {
        "supportedModelFormats": [{"name": format_, "autoSelect": True, "priority": 9}],
        "protocolVersions": ["v1"],
        "containers": [{"name": "kserve-container", "image": image}],
    }


RUN_AS = "umbel.dev/run-as"


@pytest.mark.parametrize(
    ("spec", "found"),
    [
        ({"predictor": {"containers": [IMAGE]}}, ["predictor"]),
        ({"predictor": {"containers": [CLASS]}}, []),
        ({"predictor": {"model": MODEL}, "transformer": {"containers": [IMAGE]}}, ["transformer"]),
        ({"predictor": {"model": MODEL}, "explainer": {"containers": [IMAGE]}}, ["explainer"]),
        ({"predictor": {"model": MODEL}}, []),
        ({"predictor": {"model": MODEL, "containers": [{"name": "beside"}]}}, ["predictor"]),
        ({"predictor": {"paddle": {"storageUri": "gs://b/m"}}}, ["predictor"]),
        (
            {"predictor": {"containers": [{**IMAGE, "command": ["uvicorn", "app:app"]}]}},
            ["predictor"],
        ),
        (
            {
                "predictor": {
                    "model": {"modelFormat": {"name": "sklearn"}},
                    "storageUris": [{"uri": "gs://b/1"}, {"uri": "gs://b/2"}],
                }
            },
            ["predictor"],
        ),
    ],
)
def test_what_runs_as_a_container(spec: dict[str, Any], found: list[str]) -> None:
    assert chosen(spec) == found


def test_a_runtime_whose_image_nobody_knows_runs_its_models() -> None:
    spec = {"predictor": {"model": MODEL}}
    assert chosen(spec, runtime("me/sklearn:3")) == ["predictor"]
    assert chosen(spec, runtime("registry.me:5000/kserve/sklearnserver:v0.20@sha256:ab")) == []
    assert chosen({"predictor": {"model": {**MODEL, "image": "me/own:1"}}}) == ["predictor"]


def test_run_as_chooses() -> None:
    model, image = {"predictor": {"model": MODEL}}, {"predictor": {"containers": [CLASS]}}
    assert chosen(model, **{RUN_AS: "container"}) == ["predictor"]
    assert chosen(model, runtime("me/sklearn:3"), **{RUN_AS: "native"}) == []
    assert chosen(image, **{RUN_AS: "container"}) == ["predictor"]
    one = {"predictor": {"containers": [CLASS], "annotations": {RUN_AS: "container"}}}
    assert chosen(one) == ["predictor"]
    wrong = translate([("f.yaml", text(model, **{RUN_AS: "pod"}))], IN_CLUSTER)
    assert [one.code for one in wrong.findings] == ["UMB-K530"]


def test_alone_it_needs_an_address() -> None:
    spec = {"predictor": {"containers": [IMAGE]}}
    (told,) = translated(spec, NOWHERE).findings
    assert told.code == "UMB-K512"
    assert "umbel run --service own-predictor=http://HOST:PORT" in told.fix
    given = ContainerAddresses({"own-predictor": "http://127.0.0.1:9"})
    found = translated(spec, given)
    assert found.findings == ()
    (node,) = found.program.graphs["own"].nodes.values()  # type: ignore[index]
    assert node.code == HttpServer("http://127.0.0.1:9", "own")


def test_a_container_before_a_model_of_umbels_own() -> None:
    spec = {"predictor": {"model": MODEL}, "transformer": {"containers": [IMAGE]}}
    found = translated(spec)
    assert found.findings == ()
    served = found.program.graphs["own"]  # type: ignore[index]
    assert served.interface == "http"
    assert served.components == {"own-predictor": "own/predictor"}
    inner = found.program.only(served.name).graphs["own/predictor"]  # type: ignore[index]
    assert [type(node.code) for node in inner.nodes.values()] == [ModelFile]
    assert [one for one in check(infer(found.program)) if one.code != "UMB-G240"] == []
    whole = plan(found.program)
    back = portable.from_data(portable.to_data(whole))
    assert back.program.graphs["own"].components == served.components  # type: ignore[index]


def test_a_class_before_a_container() -> None:
    spec = {"predictor": {"containers": [IMAGE]}, "transformer": {"containers": [CLASS]}}
    found = translated(spec).program.graphs
    calls = [s for s in found["own"].steps if isinstance(s, Predict)]  # type: ignore[index]
    assert [one.graph for one in calls] == ["own/predictor"]
    (node,) = found["own/predictor"].nodes.values()  # type: ignore[index]
    assert node.code == HttpServer("http://own-predictor.shop.svc.cluster.local", "own")


def test_an_explainer_in_a_container_calls_the_predictor_by_its_host() -> None:
    spec = {"predictor": {"model": MODEL}, "explainer": {"containers": [IMAGE]}}
    graphs = translated(spec).program.graphs
    served = graphs["own"]  # type: ignore[index]
    assert served.components == {"own-predictor": "own"}
    assert served.explainer == "own/explainer"
    assert graphs[served.explainer].interface == "http"


def test_a_container_of_grpc_ports_is_asked_over_grpc() -> None:
    ports = [{"name": "h2c", "containerPort": 8081}]
    found = translated({"predictor": {"containers": [{**IMAGE, "ports": ports}]}}).program.graphs
    (node,) = found["own/predictor"].nodes.values()  # type: ignore[index]
    assert node.code == RemoteService("grpc://own-predictor.shop.svc.cluster.local:80/own")


def test_given_addresses_come_before_the_clusters() -> None:
    both = replace(IN_CLUSTER, given={"shop/own-predictor": "http://there:1"})
    assert both.url("shop", "own-predictor") == "http://there:1"
    assert both.url("other", "own-predictor") == "http://own-predictor.other.svc.cluster.local"
