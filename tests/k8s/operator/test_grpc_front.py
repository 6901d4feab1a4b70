"""The gRPC front among a shared Ray's applications: there where it was asked for, nobody else's."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from fake_cluster import FakeCluster, service
from umbel.k8s.operator.grpc_front import grpc_front, grpc_url
from umbel.k8s.operator.ray_serve import owned
from umbel.k8s.operator.settings import OperatorSettings
from umbel.k8s.operator.world import Key

IRIS = Key("InferenceService", "team", "iris")


def test_only_where_it_was_asked_for() -> None:
    assert grpc_front(OperatorSettings(target="ray")) is None
    assert grpc_front(OperatorSettings(target="kuberay", grpc_port=9000)) is None
    made = grpc_front(OperatorSettings(target="ray", grpc_port=9000, serve_host="10.0.0.1"))
    assert made is not None
    assert made["route_prefix"] is None
    assert made["args"]["grpc"] == {"host": "10.0.0.1", "port": 9000}


def test_each_operator_knows_its_own() -> None:
    one = OperatorSettings(target="ray", grpc_port=9000)
    others = [
        OperatorSettings(target="ray", grpc_port=9000, name="other"),
        OperatorSettings(target="ray", grpc_port=9000, namespaces=("a", "b")),
        OperatorSettings(target="ray", grpc_port=9000, namespaces=("a",)),
    ]
    made = grpc_front(one)
    assert made is not None
    details: dict[str, Any] = {"deployed_app_config": made}
    assert owned(made["name"], details, one) is not None
    assert [owned(made["name"], details, other) for other in others] == [None] * 3
    fronts = [grpc_front(settings) for settings in (one, *others)]
    assert len({front["name"] for front in fronts if front}) == 4


def test_where_clients_reach_it() -> None:
    ray = OperatorSettings(target="ray", serve_url="http://ray.example:8000")
    assert grpc_url(ray, IRIS) == ""
    asked = OperatorSettings(target="ray", serve_url="http://ray.example:8000", grpc_port=9000)
    assert grpc_url(asked, IRIS) == "grpc://ray.example:9000"
    own = grpc_url(OperatorSettings(target="kuberay"), IRIS)
    assert own == "grpc://iris-grpc.team.svc.cluster.local:80"


@pytest.mark.slow
async def test_it_comes_and_goes_with_the_flag(cluster: FakeCluster) -> None:
    def fronts() -> list[Any]:
        return [app for app in cluster.serve.applications.values() if "grpc" in app["args"]]

    asking = service()
    asking["spec"]["predictor"] = {
        "triton": {"storageUri": "gs://bucket/one", "protocolVersion": "grpc-v2"}
    }
    await cluster.start_operator("--grpc-port", "9000")
    await cluster.apply(asking)
    await cluster.until(lambda: cluster.is_ready("InferenceService", "iris"), "ready", 60)
    assert len(fronts()) == 1
    predictor = cluster.get("InferenceService", "iris")["status"]["components"]["predictor"]
    assert predictor["grpcUrl"] == "grpc://127.0.0.1:9000"
    assert not cluster.condition("InferenceService", "iris", "Warnings")
    await cluster.settles()
    before = len(cluster.serve.puts)
    await asyncio.sleep(1)
    assert len(cluster.serve.puts) == before
    await cluster.end_operator()
    await cluster.start_operator()
    await cluster.until(lambda: not fronts(), "the front is gone", 60)
    await cluster.until(
        lambda: cluster.condition("InferenceService", "iris", "Warnings"), "told", 60
    )
    told = cluster.condition("InferenceService", "iris", "Warnings")["message"]
    assert "--grpc-port" in told
    assert (
        "grpcUrl"
        not in cluster.get("InferenceService", "iris")["status"]["components"]["predictor"]
    )
