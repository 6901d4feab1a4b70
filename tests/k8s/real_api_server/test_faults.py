"""Whatever happens on the way, the end is what the resources describe: here with the API server
itself, its restarts, its forgotten history and its Leases."""

from __future__ import annotations

import contextlib
import random
import time
from collections.abc import Iterator
from typing import Any

import pytest

from fake_cluster import graph, service
from kube_life import condition, ready, served
from real_kube import KubectlFailed, RealKube
from real_operator import RealOperator, StandIn, until

pytestmark = pytest.mark.slow


@pytest.fixture(autouse=True)
def ray(kube: RealKube) -> Iterator[StandIn]:
    with StandIn(kube) as found:
        yield found


def uris(kube: RealKube, namespace: str, name: str) -> str:
    with contextlib.suppress(KubectlFailed):
        return str(served(kube, namespace, name))
    return ""


def test_the_api_server_is_gone_and_its_history_forgotten(
    kube: RealKube, namespace: str, operator: RealOperator
) -> None:
    """The operator's watches end, and the versions they would go on from are compacted away:
    the API server answers 410 to them."""
    process = operator.start("--resync", "600")
    kube.kubectl("apply", "-f", "-", stdin=service("iris", "gs://b/one", namespace))
    ready(kube, namespace, "isvc/iris")
    for _ in range(2):
        kube.stop_server()
        time.sleep(3)
        kube.start_server()
        for number in range(20):  # while the operator still backs off
            kube.kubectl("annotate", "isvc", "iris", "-n", namespace, "--overwrite", f"n={number}")
        kube.compact()
    kube.stop_server(kill=True)
    kube.compact()
    kube.start_server()
    kube.kubectl("apply", "-f", "-", stdin=service("iris", "gs://b/two", namespace))
    until(lambda: "gs://b/two" in uris(kube, namespace, "iris"), "the change", 120)
    ready(kube, namespace, "isvc/iris")
    kube.kubectl("apply", "-f", "-", stdin=service("later", namespace=namespace))
    ready(kube, namespace, "isvc/later")  # heard of by a watch: there is no resync
    assert process.poll() is None  # (a server that starts refuses what it allows later)


def test_killed_at_random_moments(kube: RealKube, namespace: str, operator: RealOperator) -> None:
    chance = random.Random(namespace)
    operator.start()
    for number in range(6):
        uri = f"gs://b/{number}"
        kube.kubectl("apply", "-f", "-", stdin=service("iris", uri, namespace))
        kube.kubectl(
            "apply", "-f", "-", stdin=graph(f"chain-{number}", "iris", namespace=namespace)
        )
        time.sleep(chance.uniform(0.2, 4.0))
        operator.end(operator.processes[0], kill=True)
        if number % 2:
            kube.kubectl("delete", "ig", f"chain-{number - 1}", "-n", namespace)
        operator.start()
    until(lambda: "gs://b/5" in uris(kube, namespace, "iris"), "the last change", 120)
    ready(kube, namespace, "isvc/iris", *(f"ig/chain-{number}" for number in (1, 3, 5)))
    until(lambda: len(served(kube, namespace, "iris")) == 1, "nothing is left over", 120)
    gone = {"chain-0", "chain-2", "chain-4"}
    if kube.binaries.controllers is not None:
        until(lambda: not gone & names(kube, "rayservice", namespace), "collected", 120)
    revisions = kube.get("controllerrevisions", "-n", namespace)["items"]
    numbers = [one["revision"] for one in revisions]
    assert len(set(numbers)) == len(numbers)
    assert operator.refused() == []


def names(kube: RealKube, kind: str, namespace: str) -> set[str]:
    return {one["metadata"]["name"] for one in kube.get(kind, "-n", namespace)["items"]}


def test_two_operators_and_one_lease(
    kube: RealKube, namespace: str, operator: RealOperator
) -> None:
    first = operator.start("--leader-elect")
    kube.kubectl("apply", "-f", "-", stdin=service("one", namespace=namespace))
    ready(kube, namespace, "isvc/one")
    second = operator.start("--leader-elect")
    time.sleep(8)  # longer than it takes to renew
    assert holder(kube).endswith(f"_{first.pid}")
    assert operator.end(first) == 0
    kube.kubectl("apply", "-f", "-", stdin=service("two", namespace=namespace))
    ready(kube, namespace, "isvc/two")
    assert holder(kube).endswith(f"_{second.pid}")
    third = operator.start("--leader-elect")
    operator.end(second, kill=True)  # it cannot give the Lease back: that has to run out
    kube.kubectl("apply", "-f", "-", stdin=service("three", namespace=namespace))
    ready(kube, namespace, "isvc/three", seconds=120)
    assert holder(kube).endswith(f"_{third.pid}")
    assert operator.refused() == []


def holder(kube: RealKube) -> str:
    lease = kube.get("lease", "umbel-operator", "-n", "umbel-system")
    return str(lease["spec"]["holderIdentity"])


def test_two_operators_at_once(kube: RealKube, namespace: str, operator: RealOperator) -> None:
    """Without a Lease: they disturb each other, and come to the same end."""
    operator.start()
    operator.start()
    for number in range(4):
        uri = f"gs://b/{number}"
        kube.kubectl("apply", "-f", "-", stdin=service("iris", uri, namespace))
        kube.kubectl("apply", "-f", "-", stdin=service(f"x-{number}", uri, namespace))
    until(lambda: "gs://b/3" in uris(kube, namespace, "iris"), "the last change", 120)
    ready(kube, namespace, "isvc/iris", *(f"isvc/x-{number}" for number in range(4)))
    found: dict[str, Any] = condition(kube, namespace, "isvc/iris")
    assert found["status"] == "True"
    until(lambda: len(served(kube, namespace, "iris")) == 1, "nothing is left over", 60)
    until(lambda: _rests(operator), "both rest", 120)
    before = len(operator.writes())
    time.sleep(35)  # longer than the time between full looks of both
    assert operator.writes()[before:] == []
    events = kube.get("events", "-n", namespace)["items"]
    assert len(events) < 40, [one["reason"] for one in events]
    revisions = kube.get("controllerrevisions", "-n", namespace)["items"]
    records = [one["metadata"] for one in revisions]
    owned = [(one["ownerReferences"][0]["uid"], one["labels"]) for one in records]
    contents = [(uid, labels["umbel.dev/digest"]) for uid, labels in owned]
    assert len(set(contents)) == len(contents)  # nothing is recorded twice
    assert operator.refused() == []


def _rests(operator: RealOperator) -> bool:
    before = len(operator.writes())
    time.sleep(4)
    return len(operator.writes()) == before
