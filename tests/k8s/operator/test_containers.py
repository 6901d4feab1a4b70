"""Components in containers, with the operator as a process between two servers on loopback: the
Deployments' readiness is the resource's, and a change rolls from one to the other."""

from __future__ import annotations

from typing import Any

import pytest

from fake_cluster import FakeCluster, resource

pytestmark = pytest.mark.slow

NAME = "InferenceService"
PREDICTOR = {"name": "kserve-container", "image": "me/model:1"}


def custom(image: str = "me/model:1", **annotations: str) -> dict[str, Any]:
    return {
        "apiVersion": "serving.kserve.io/v1beta1",
        "kind": NAME,
        "metadata": {"name": "own", "namespace": "default", "annotations": annotations},
        "spec": {
            "predictor": {"containers": [{**PREDICTOR, "image": image}]},
            "transformer": {"containers": [{"name": "kserve-container", "image": "me/words:1"}]},
        },
    }


def deployments(cluster: FakeCluster, component: str = "") -> list[dict[str, Any]]:
    found = cluster.store.objects(resource("Deployment"))
    return [one for one in found if component in ("", one["metadata"]["labels"]["component"])]


async def become(cluster: FakeCluster, raw: dict[str, Any], *, ready: bool) -> None:
    """As the Deployment's controller and its kubelets have it."""
    status = {
        "observedGeneration": raw["metadata"]["generation"],
        "availableReplicas": int(ready),
        "conditions": [{"type": "Available", "status": str(ready)}],
    }
    kind = resource("Deployment")
    known = cluster.store.get(kind, "default", raw["metadata"]["name"])
    await cluster.store.update(kind, known, {**known, "status": status}, status=True)


async def bring_up(cluster: FakeCluster) -> None:
    await cluster.until(lambda: len(deployments(cluster)) == 2, "two Deployments", 90)
    for one in deployments(cluster):
        await become(cluster, one, ready=True)
    await cluster.until(lambda: cluster.is_ready(NAME, "own"), "ready", 60)


async def test_readiness_is_that_of_the_containers(cluster: FakeCluster) -> None:
    await cluster.start_operator()
    await cluster.apply(custom())
    await cluster.until(lambda: len(deployments(cluster)) == 2, "two Deployments", 90)
    expected = {"status": "Unknown", "message": "0 of 1 pods are ready"}
    await cluster.until(
        lambda: expected.items() <= cluster.condition(NAME, "own", "TransformerReady").items(),
        "why it is not ready",
        60,
    )
    model = cluster.get(NAME, "own")["status"]["modelStatus"]
    assert model["transitionStatus"] == "InProgress"

    (predictor,) = deployments(cluster, "predictor")
    await become(cluster, predictor, ready=True)
    await cluster.settles()
    assert not cluster.is_ready(NAME, "own")  # the transformer is not up
    (transformer,) = deployments(cluster, "transformer")
    await become(cluster, transformer, ready=True)
    await cluster.until(lambda: cluster.is_ready(NAME, "own"), "ready", 60)
    assert cluster.condition(NAME, "own", "TransformerReady")["status"] == "True"
    model = cluster.get(NAME, "own")["status"]["modelStatus"]
    assert model["transitionStatus"] == "UpToDate"

    await cluster.settles()
    before = len(cluster.store.writes)
    await cluster.end_operator()
    await cluster.start_operator()
    await cluster.settles(3)
    assert len(cluster.store.writes) == before  # a steady state takes no writes

    await become(cluster, transformer, ready=False)
    await cluster.until(lambda: not cluster.is_ready(NAME, "own"), "a pod is gone", 60)


async def test_the_transformer_calls_the_predictor_of_its_revision(cluster: FakeCluster) -> None:
    await cluster.start_operator()
    await cluster.apply(custom())
    await bring_up(cluster)
    (predictor,) = deployments(cluster, "predictor")
    (transformer,) = deployments(cluster, "transformer")
    args = transformer["spec"]["template"]["spec"]["containers"][0]["args"]
    assert args[args.index("--predictor_host") + 1] == f"{predictor['metadata']['name']}.default"
    alias = cluster.store.get(resource("Service"), "default", "own-predictor")
    assert alias["spec"]["selector"] == predictor["spec"]["selector"]["matchLabels"]
    (app,) = cluster.serve.applications.values()
    assert f"http://{transformer['metadata']['name']}.default" in str(app)


async def test_a_change_moves_traffic_once_its_containers_are_up(cluster: FakeCluster) -> None:
    await cluster.start_operator()
    await cluster.apply(custom())
    await bring_up(cluster)
    old = {one["metadata"]["name"] for one in deployments(cluster)}
    holder = cluster.serve.holder("/default/own")
    await cluster.apply(custom("me/model:2"))
    await cluster.until(lambda: len(deployments(cluster)) == 4, "two revisions", 60)
    await cluster.settles()
    assert cluster.serve.holder("/default/own") == holder
    assert cluster.traffic("own") == {"own-predictor-00001": 100}
    for one in deployments(cluster):
        await become(cluster, one, ready=True)
    await cluster.until(lambda: cluster.traffic("own") == {"own-predictor-00002": 100}, "moved", 60)
    await cluster.until(lambda: len(deployments(cluster)) == 2, "the old ones are gone", 60)
    assert not old & {one["metadata"]["name"] for one in deployments(cluster)}
    assert cluster.is_ready(NAME, "own")


async def test_stopped_and_deleted(cluster: FakeCluster) -> None:
    await cluster.start_operator()
    await cluster.apply(custom())
    await bring_up(cluster)
    await cluster.apply(custom(**{"serving.kserve.io/stop": "true"}))
    await cluster.until(lambda: deployments(cluster) == [], "nothing runs", 60)
    await cluster.apply(custom())
    await bring_up(cluster)
    await cluster.delete(NAME, "own")
    await cluster.until(lambda: not cluster.has(NAME, "own"), "deleted", 60)
    await cluster.until(lambda: deployments(cluster) == [], "collected", 60)
    assert cluster.store.objects(resource("Service")) == []


async def test_what_the_pods_say_is_told(cluster: FakeCluster) -> None:
    await cluster.start_operator()
    await cluster.apply(custom())
    await cluster.until(lambda: len(deployments(cluster)) == 2, "two Deployments", 90)
    (predictor,) = deployments(cluster, "predictor")
    pod = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "name": "p",
            "namespace": "default",
            "labels": predictor["spec"]["template"]["metadata"]["labels"],
        },
        "spec": {},
    }
    made = await cluster.store.create(resource("Pod"), "default", pod)
    waiting = {"waiting": {"reason": "ErrImagePull"}}
    state = {"containerStatuses": [{"image": "me/model:1", "name": "a", "state": waiting}]}
    await cluster.store.update(resource("Pod"), made, {**made, "status": state}, status=True)
    await cluster.until(
        lambda: (
            cluster.condition(NAME, "own", "PredictorReady").get("reason") == "ImagePullBackOff"
        ),
        "told",
        60,
    )
    told = cluster.condition(NAME, "own", "PredictorReady")
    assert told["status"] == "False"
    assert "the image 'me/model:1' cannot be pulled" in told["message"]
    model = cluster.get(NAME, "own")["status"]["modelStatus"]
    assert model["transitionStatus"] == "BlockedByFailedLoad"
