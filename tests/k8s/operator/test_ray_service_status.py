"""What is made of KubeRay's report: of one Ray cluster, of two, and of pods that do not start."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from umbel.k8s.operator.pod_trouble import CLUSTER, troubles
from umbel.k8s.operator.ray_service_status import cluster_of, reported

OLD: dict[str, Any] = {"name": "old", "route_prefix": "/", "args": {"application": {}}}
NEW: dict[str, Any] = {"name": "new", "route_prefix": None, "args": {"application": {}}}
READY = {"type": "Ready", "status": "True", "reason": "NonZeroServeEndpoints"}


def cluster(name: str, **states: str) -> dict[str, Any]:
    found = {key: {"status": state, "message": f"of {name}"} for key, state in states.items()}
    return {"rayClusterName": name, **({"applicationStatuses": found} if found else {})}


def ray_service(
    active: dict[str, Any] | None = None,
    pending: dict[str, Any] | None = None,
    *conditions: dict[str, str],
) -> dict[str, Any]:
    status = {
        "activeServiceStatus": active or {},
        "pendingServiceStatus": pending or {},
        "conditions": list(conditions),
    }
    return {"status": status}


def test_one_cluster_that_answers() -> None:
    found = reported(ray_service(cluster("a", old="RUNNING", new="DEPLOY_FAILED")), [OLD, NEW])
    assert (found["old"].status, found["old"].replaced) == ("RUNNING", False)
    assert (found["new"].status, found["new"].message) == ("DEPLOY_FAILED", "of a")


def test_the_first_cluster_is_pending_until_all_runs() -> None:
    """A model that cannot be loaded is told of in the pending part alone."""
    raw = ray_service(None, cluster("p", old="DEPLOY_FAILED"))
    assert reported(raw, [OLD])["old"].status == "DEPLOY_FAILED"
    assert reported(raw, [OLD])["old"].message == "of p"
    assert cluster_of(raw) == "p"
    running = reported(ray_service(None, cluster("p", old="RUNNING")), [OLD])["old"]
    assert running.status == "DEPLOYING"  # no Service leads there yet
    assert reported({}, [OLD])["old"].status == "NOT_STARTED"


def test_while_pods_are_replaced_what_answered_goes_on_answering() -> None:
    """KubeRay tells nothing of the active cluster's applications then."""
    raw = ray_service(cluster("a"), cluster("p", old="DEPLOYING", new="RUNNING"), READY)
    found = reported(raw, [OLD, NEW])
    assert (found["old"].status, found["old"].replaced) == ("RUNNING", True)
    assert found["new"].status == "DEPLOYING"  # it runs where no request comes
    failed = ray_service(cluster("a"), cluster("p", old="DEPLOY_FAILED"), READY)
    assert reported(failed, [OLD])["old"].message == "of p"
    assert reported(failed, [OLD])["old"].status == "RUNNING"


def test_a_front_and_those_behind_it_answer() -> None:
    front = {"name": "f", "route_prefix": "/", "args": {"front": {"shares": {"old": 80, "x": 20}}}}
    behind = [{**OLD, "route_prefix": None}, {**NEW, "name": "x"}, front, NEW]
    raw = ray_service(cluster("a"), cluster("p"), READY)
    states = {name: one.status for name, one in reported(raw, behind).items()}
    assert states == {"old": "RUNNING", "x": "RUNNING", "f": "RUNNING", "new": "NOT_STARTED"}


@pytest.mark.parametrize("reason", ["ValidationFailed", "InitializingTimeout"])
def test_what_kuberay_gave_up(reason: str) -> None:
    gone = {"type": "Ready", "status": "False", "reason": reason, "message": "see here"}
    found = reported(ray_service(None, None, gone), [OLD])["old"]
    assert found.status == "DEPLOY_FAILED"
    assert found.message == f"KubeRay: {reason}: see here"


def test_a_head_that_is_not_ready_says_why() -> None:
    head = {
        "type": "HeadPodReady",
        "status": "False",
        "reason": "ContainersNotReady",
        "message": "containers with unready status: [ray-head]",
    }
    pending = {**cluster("p"), "rayClusterStatus": {"conditions": [head]}}
    assert "ray-head" in reported(ray_service(None, pending), [OLD])["old"].message


def pod(**status: Any) -> dict[str, Any]:
    metadata = {"name": "p-1", "namespace": "n", "labels": {CLUSTER: "p"}}
    return {"metadata": metadata, "status": status}


def container(reason: str, **more: Any) -> dict[str, Any]:
    waiting = {"reason": reason, "message": "back-off"}
    return {"name": "ray-head", "image": "r.io/x:1", "state": {"waiting": waiting}, **more}


@pytest.mark.parametrize(
    ("status", "reason", "text"),
    [
        (
            {"containerStatuses": [container("ErrImagePull")]},
            "ImagePullBackOff",
            "the image 'r.io/x:1' cannot be pulled",
        ),
        (
            {"containerStatuses": [container("ImagePullBackOff")]},
            "ImagePullBackOff",
            "the image 'r.io/x:1' cannot be pulled",
        ),
        (
            {
                "initContainerStatuses": [
                    container(
                        "CrashLoopBackOff",
                        lastState={"terminated": {"exitCode": 3, "message": "no space"}},
                    )
                ]
            },
            "CrashLoopBackOff",
            "the container 'ray-head' does not run (exit code 3): no space",
        ),
        (
            {
                "conditions": [
                    {
                        "type": "PodScheduled",
                        "status": "False",
                        "reason": "Unschedulable",
                        "message": "0/3 nodes are available: 3 Insufficient nvidia.com/gpu.",
                    }
                ]
            },
            "Unschedulable",
            "a pod finds no node: 0/3 nodes are available: 3 Insufficient nvidia.com/gpu.",
        ),
    ],
)
def test_what_pods_say(status: dict[str, Any], reason: str, text: str) -> None:
    assert troubles([pod(**status)], CLUSTER) == {("n", "p"): (reason, text)}


def test_pods_that_are_well_or_go_say_nothing() -> None:
    going = pod(containerStatuses=[container("ErrImagePull")])
    going["metadata"]["deletionTimestamp"] = "2026-01-01T00:00:00Z"
    starting = pod(containerStatuses=[container("ContainerCreating")])
    stranger = copy.deepcopy(starting)
    del stranger["metadata"]["labels"]
    assert troubles([going, starting, stranger, pod()], CLUSTER) == {}
