"""A service's life, with the operator as a process between two servers on loopback."""

from __future__ import annotations

import pytest

from fake_cluster import FakeCluster, graph, resource, service

pytestmark = pytest.mark.slow

STOP = {"serving.kserve.io/stop": "true"}


async def test_from_creation_to_deletion(cluster: FakeCluster) -> None:
    await cluster.start_operator()
    await _created(cluster)
    await _canary(cluster)
    await _promoted_and_rolled_back(cluster)
    await _stopped_and_resumed(cluster)
    await cluster.delete("InferenceService", "iris")
    await cluster.until(lambda: not cluster.has("InferenceService", "iris"), "deleted")
    assert cluster.serve.applications == {}
    assert cluster.store.objects(resource("ControllerRevision")) == []
    assert await cluster.end_operator() == 0


async def _created(cluster: FakeCluster) -> None:
    await cluster.apply(service(uri="gs://bucket/one"))
    await cluster.until(lambda: cluster.is_ready("InferenceService", "iris"), "ready")
    found = cluster.get("InferenceService", "iris")
    status = found["status"]
    assert found["metadata"]["finalizers"] == ["umbel.dev/operator"]
    assert status["url"] == status["address"]["url"] == "http://127.0.0.1:8000/default/iris"
    assert status["modelStatus"]["transitionStatus"] == "UpToDate"
    assert status["modelStatus"]["states"] == {
        "activeModelState": "Loaded",
        "targetModelState": "Loaded",
    }
    assert status["deploymentMode"] == "Standard"
    assert status["clusterServingRuntimeName"] == "kserve-sklearnserver"
    assert cluster.traffic("iris") == {"iris-predictor-00001": 100}
    told = ("InferenceServiceReady", "InferenceService [iris] is Ready")
    await cluster.until(
        lambda: told in cluster.events(), "an event: it is written after the status"
    )
    await cluster.settles()
    before = (len(cluster.store.writes), len(cluster.serve.puts))
    times = [one["lastTransitionTime"] for one in status["conditions"]]
    await cluster.end_operator()
    await cluster.start_operator()  # a restart finds all as it should be
    await cluster.settles(3)
    assert (len(cluster.store.writes), len(cluster.serve.puts)) == before
    kept = cluster.get("InferenceService", "iris")["status"]["conditions"]
    assert [one["lastTransitionTime"] for one in kept] == times


async def _canary(cluster: FakeCluster) -> None:
    stable = cluster.serve.holder("/default/iris")
    cluster.serve.start_s = 0.5
    await cluster.apply(service(uri="gs://bucket/two", canaryTrafficPercent=20))
    await cluster.until(lambda: len(cluster.serve.applications) == 2, "both are deployed")
    assert cluster.serve.holder("/default/iris") == stable  # until the newer one runs
    assert cluster.condition("InferenceService", "iris").get("status") != "True"
    await cluster.until(lambda: cluster.is_ready("InferenceService", "iris"), "canary")
    assert cluster.traffic("iris") == {"iris-predictor-00002": 20, "iris-predictor-00001": 80}
    front = cluster.serve.holder("/default/iris")
    assert front is not None
    shares = front["args"]["front"]["shares"]
    assert sorted(shares.values()) == [20, 80]
    assert shares.keys() <= cluster.serve.applications.keys()


async def _promoted_and_rolled_back(cluster: FakeCluster) -> None:
    await cluster.apply(service(uri="gs://bucket/two"))
    await cluster.until(lambda: cluster.is_ready("InferenceService", "iris"), "promoted")
    await cluster.until(lambda: len(cluster.serve.applications) == 1, "the old one goes")
    predictor = cluster.get("InferenceService", "iris")["status"]["components"]["predictor"]
    assert predictor["latestRolledoutRevision"] == "iris-predictor-00002"
    assert predictor["previousRolledoutRevision"] == "iris-predictor-00001"
    await cluster.apply(service(uri="gs://bucket/two", canaryTrafficPercent=0))
    await cluster.until(
        lambda: cluster.traffic("iris") == {"iris-predictor-00001": 100}, "rolled back"
    )
    await cluster.until(lambda: cluster.is_ready("InferenceService", "iris"), "rolled back")
    holder = cluster.serve.holder("/default/iris")
    assert holder is not None
    assert "gs://bucket/one" in str(holder["args"])
    every_moment = [routes.get("/default/iris") for routes in cluster.serve.routes]
    first = next(number for number, holder in enumerate(every_moment) if holder)
    assert first <= 1  # the path is given to what runs
    assert None not in every_moment[first:]  # and then always has an application


async def _stopped_and_resumed(cluster: FakeCluster) -> None:
    await cluster.apply(service(uri="gs://bucket/two", annotations=STOP, canaryTrafficPercent=0))
    await cluster.until(
        lambda: cluster.condition("InferenceService", "iris", "Stopped").get("status") == "True"
    )
    await cluster.until(lambda: cluster.serve.applications == {}, "nothing runs")
    status = cluster.get("InferenceService", "iris")["status"]
    assert "url" not in status
    assert cluster.condition("InferenceService", "iris")["reason"] == "Stopped"
    await cluster.apply(service(uri="gs://bucket/two", canaryTrafficPercent=0))
    await cluster.until(lambda: cluster.is_ready("InferenceService", "iris"), "resumed")
    assert cluster.traffic("iris") == {"iris-predictor-00001": 100}


async def test_what_fails_to_start_gets_no_request(cluster: FakeCluster) -> None:
    cluster.serve.fails = lambda config: "ValueError: no model" if "bad" in str(config) else ""
    await cluster.start_operator()
    await cluster.apply(service(uri="gs://bucket/good"))
    await cluster.apply(service("other"))
    await cluster.until(lambda: cluster.is_ready("InferenceService", "iris"))
    await cluster.apply(service(uri="gs://bucket/bad"))
    await cluster.until(
        lambda: cluster.condition("InferenceService", "iris").get("status") == "False"
    )
    condition = cluster.condition("InferenceService", "iris")
    assert (condition["reason"], condition["message"]) == (
        "ModelLoadFailed",
        "ValueError: no model",
    )
    model = cluster.get("InferenceService", "iris")["status"]["modelStatus"]
    assert model["transitionStatus"] == "BlockedByFailedLoad"
    assert cluster.traffic("iris") == {"iris-predictor-00001": 100}
    await cluster.apply(service(uri="gs://bucket/one", minReplicas=3, maxReplicas=1))
    await cluster.until(
        lambda: (
            cluster.condition("InferenceService", "iris").get("reason") == "InvalidPredictorSpec"
        )
    )
    assert "UMB-K211" in cluster.condition("InferenceService", "iris")["message"]
    await cluster.until(lambda: any("UMB-K211" in text for _, text in cluster.events()), "event")
    assert cluster.is_ready("InferenceService", "other")
    assert cluster.traffic("iris") == {"iris-predictor-00001": 100}


async def test_a_graph_waits_for_its_services(cluster: FakeCluster) -> None:
    await cluster.start_operator()
    await cluster.apply(graph("chain", "first", "second"))
    await cluster.until(lambda: cluster.condition("InferenceGraph", "chain"))
    condition = cluster.condition("InferenceGraph", "chain")
    assert (condition["status"], condition["reason"]) == ("False", "ServicesNotReady")
    assert "failed to find the service first" in condition["message"]
    await cluster.apply(service("first"))
    await cluster.apply(service("second"))
    await cluster.until(lambda: cluster.is_ready("InferenceGraph", "chain"), "the graph")
    status = cluster.get("InferenceGraph", "chain")["status"]
    assert status["url"] == "http://127.0.0.1:8000/default/chain"
    await cluster.apply(service("second", uri="gs://bucket/newer"))
    await cluster.until(
        lambda: "gs://bucket/newer" in str(cluster.serve.holder("/default/chain")), "the newer"
    )
    await cluster.delete("InferenceService", "second")
    await cluster.until(
        lambda: cluster.condition("InferenceGraph", "chain").get("reason") == "ServicesNotReady"
    )
    await cluster.delete("InferenceGraph", "chain")
    await cluster.until(lambda: not cluster.has("InferenceGraph", "chain"))


async def test_two_that_want_one_path(cluster: FakeCluster) -> None:
    await cluster.start_operator()
    await cluster.apply(service("same"))
    await cluster.apply(graph("same", "same"))
    await cluster.until(lambda: cluster.is_ready("InferenceService", "same"))
    await cluster.until(
        lambda: cluster.condition("InferenceGraph", "same").get("reason") == "NameTaken"
    )


async def test_canaries_beside_a_named_predictor(cluster: FakeCluster) -> None:
    raw = service(annotations={"serving.kserve.io/deploymentMode": "Standard"})
    raw["spec"]["predictor"]["name"] = "stable"
    cluster.serve.fails = lambda config: "no" if "gs://bucket/broken" in str(config) else ""
    raw["spec"]["canary"] = [
        {"predictor": {"name": "b", "sklearn": {"storageUri": "gs://b/2"}}, "trafficPercent": 30},
        {
            "predictor": {"name": "c", "sklearn": {"storageUri": "gs://bucket/broken"}},
            "trafficPercent": 10,
        },
    ]
    await cluster.start_operator()
    await cluster.apply(raw)
    await cluster.until(lambda: cluster.traffic("iris").get("b") == 30, "the canary that runs")
    assert cluster.traffic("iris") == {"iris-predictor-00001": 70, "b": 30}
    status = cluster.get("InferenceService", "iris")["status"]
    assert [one["ready"] for one in status["canaryStatuses"]] == [True, False]
    raw["spec"] = {"predictor": {"name": "b", "sklearn": {"storageUri": "gs://b/2"}}}
    before = set(cluster.serve.applications)
    await cluster.apply(raw)
    await cluster.until(lambda: cluster.is_ready("InferenceService", "iris"), "promoted")
    holder = cluster.serve.holder("/default/iris")
    assert holder is not None
    assert holder["name"] in before  # the canary goes on, nothing is loaded again


async def test_tags_have_paths_of_their_own(cluster: FakeCluster) -> None:
    tags = {"serving.kserve.io/enable-tag-routing": "true"}
    await cluster.start_operator()
    await cluster.apply(service(uri="gs://bucket/one", annotations=tags))
    await cluster.until(lambda: cluster.is_ready("InferenceService", "iris"))
    await cluster.apply(service(uri="gs://bucket/two", annotations=tags, canaryTrafficPercent=10))
    await cluster.until(lambda: len(cluster.traffic("iris")) == 2)
    await cluster.until(lambda: cluster.serve.holder("/default/prev-iris"))
    assert cluster.serve.holder("/default/latest-iris")
    status = cluster.get("InferenceService", "iris")["status"]
    urls = {e["tag"]: e["url"] for e in status["components"]["predictor"]["traffic"]}
    assert urls == {
        "latest": "http://127.0.0.1:8000/default/latest-iris",
        "prev": "http://127.0.0.1:8000/default/prev-iris",
    }


async def test_a_change_of_kserves_settings_is_noticed(cluster: FakeCluster) -> None:
    await cluster.start_operator("--resync", "60")
    await cluster.apply(service("first"))
    await cluster.apply(graph("chain", "first"))
    await cluster.until(lambda: cluster.is_ready("InferenceGraph", "chain"), "the graph")
    await cluster.settles()
    config = {
        "metadata": {"name": "inferenceservice-config"},
        "data": {"router": '{"headers": {"propagate": ["X-Special"]}}'},
    }
    await cluster.store.create(resource("ConfigMap"), "kserve", config)
    await cluster.until(
        lambda: "X-Special" in str(cluster.serve.holder("/default/chain")), "the header rule"
    )
