"""An object that would keep the webhook busy is refused before it is read."""

from __future__ import annotations

import time
from typing import Any

import pytest

from fake_cluster import graph, service
from umbel.k8s.admission import reviews
from umbel.k8s.admission.reviews import MOST_CAUSES
from umbel.k8s.resources.sizes import LARGEST


def asked(raw: dict[str, Any]) -> dict[str, Any]:
    review = {
        "apiVersion": "admission.k8s.io/v1",
        "kind": "AdmissionReview",
        "request": {"uid": "1", "operation": "CREATE", "namespace": "default", "object": raw},
    }
    response: dict[str, Any] = reviews.validate(review, lambda _: [])["response"]
    return response


def switch(condition: str) -> dict[str, Any]:
    raw = graph("g")
    step = {"serviceUrl": "http://a", "name": "s", "condition": condition}
    raw["spec"]["nodes"]["root"] = {"routerType": "Switch", "steps": [step]}
    return raw


LARGE = 1_300_000


@pytest.mark.parametrize(
    "raw",
    [
        switch("['" * (LARGE // 2)),
        switch("a|" * (LARGE // 2)),
        switch(" && " * (LARGE // 4)),
        switch("." * LARGE),
        graph("g", *(f"s{n}" for n in range(20_000))),
        service(uri="s3://" + "a" * LARGE),
    ],
    ids=["brackets", "pipes", "junctions", "dots", "steps", "uri"],
)
def test_a_large_object_costs_nothing(raw: dict[str, Any]) -> None:
    start = time.process_time()
    response = asked(raw)
    assert not response["allowed"]
    assert "UMB-K713" in response["status"]["message"]
    assert f"at most {LARGEST} are read" in response["status"]["message"]
    assert len(str(response)) < 2000
    assert time.process_time() - start < 2  # they took minutes


def test_bookkeeping_does_not_count() -> None:
    raw = service()
    raw["metadata"]["managedFields"] = [{"fieldsV1": {"f:" + "x" * LARGE: {}}}]
    raw["status"] = {"modelStatus": "x" * LARGE}
    assert asked(raw)["allowed"]


def test_an_answer_is_no_longer_than_a_client_reads() -> None:
    raw = graph("g", *(["same"] * 500))
    for step in raw["spec"]["nodes"]["root"]["steps"]:
        step["nodeName"] = "no-such-node-" + "x" * 60
    response = asked(raw)
    assert not response["allowed"]
    causes = response["status"]["details"]["causes"]
    assert len(causes) == MOST_CAUSES + 1
    assert causes[-1]["message"].startswith("and ")
    assert len(str(response)) < 200_000
