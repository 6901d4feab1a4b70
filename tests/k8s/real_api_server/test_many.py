"""Two hundred resources: from a cold start, and then nothing is written any more. What was
written is counted by the API server's own audit log."""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest

from fake_cluster import graph, service
from real_kube import RealKube
from real_operator import RealOperator, StandIn, until

pytestmark = pytest.mark.slow

SERVICES, GRAPHS = 160, 40


def test_two_hundred_from_a_cold_start(
    kube: RealKube,
    namespace: str,
    operator: RealOperator,
    say_at_the_end: Callable[[str], None],
) -> None:
    objects = [service(f"iris-{n}", f"gs://b/{n}", namespace) for n in range(SERVICES)]
    objects += [
        graph(f"chain-{n}", f"iris-{n}", f"iris-{n + GRAPHS}", namespace=namespace)
        for n in range(GRAPHS)
    ]
    kube.kubectl("create", "-f", "-", stdin=objects, timeout=300)
    with StandIn(kube):
        start = time.monotonic()
        operator.start("--leader-elect")
        until(lambda: len(ready(kube, namespace)) == SERVICES + GRAPHS, "all are ready", 600)
        seconds = time.monotonic() - start
        until(lambda: settled(operator), "nothing more is written", 300)
        before = len(operator.writes())
        time.sleep(40)  # longer than the time between full looks
        assert operator.writes()[before:] == []
    say_at_the_end(
        f"{SERVICES + GRAPHS} resources ready on a real API server {seconds:.1f} s after a cold "
        f"start, {before} writes; none in the 40 s after"
    )
    assert operator.refused() == []


def settled(operator: RealOperator) -> bool:
    before = len(operator.writes())
    time.sleep(5)
    return len(operator.writes()) == before


def ready(kube: RealKube, namespace: str) -> set[str]:
    found = set()
    for plural, version in (("inferenceservices", "v1beta1"), ("inferencegraphs", "v1alpha1")):
        path = f"/apis/serving.kserve.io/{version}/namespaces/{namespace}/{plural}"
        for one in kube.ask("GET", path)["items"]:
            conditions = (one.get("status") or {}).get("conditions") or ()
            if any(c["type"] == "Ready" and c["status"] == "True" for c in conditions):
                found.add(one["metadata"]["name"])
    return found
