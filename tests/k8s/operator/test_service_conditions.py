"""Conditions and events as KServe's clients wait for them."""

from __future__ import annotations

from typing import Any

import pytest

from fake_cluster import service
from umbel.graph.findings import Finding, Place
from umbel.k8s.operator.candidate import Candidate
from umbel.k8s.operator.compiling import Compiled
from umbel.k8s.operator.revisions import Revision
from umbel.k8s.operator.rollout import Rollout
from umbel.k8s.operator.service_status import View, notices, status
from umbel.k8s.operator.settings import OperatorSettings
from umbel.k8s.operator.world import Key, Owner, ServeApplication, World

KEY = Key("InferenceService", "default", "iris")
NAME = "iris-predictor-00001"
KNATIVE = {"serving.kserve.io/deploymentMode": "Serverless"}


def app(state: str, message: str = "", name: str = "app", **more: Any) -> ServeApplication:
    return ServeApplication(name, "/", state, message, {}, Owner(KEY, NAME), 1, **more)


def view(
    found: ServeApplication | None,
    *,
    canary: ServeApplication | None = None,
    before: dict[str, Any] | None = None,
    errors: str = "",
    **more: Any,
) -> View:
    raw = service(annotations=more.pop("annotations", {}))
    raw["spec"] |= more.pop("spec", {})
    raw["status"] = before or {}
    findings = (Finding("error", "UMB-K219", errors, Place(), "fix it"),) if errors else ()
    own = Candidate(NAME, {}, Compiled(None, findings), {"name": "app"}, found)
    variants: dict[str, Candidate] = {}
    if canary is not None:
        raw["spec"]["canary"] = [{"predictor": {"name": "blue"}, "trafficPercent": 10}]
        variants["blue"] = Candidate("blue", {}, Compiled(None, ()), {"name": "c"}, canary)
    return View(
        raw,
        World(now="2026-01-01T00:00:01Z"),
        OperatorSettings(target="ray"),
        Rollout(Revision(NAME, 1, "d", {}), None, None, None),
        holder=found if found is not None and found.runs else None,
        target="app",
        candidates={NAME: own, **variants},
        variants=tuple(variants),
        **more,
    )


def conditions(seen: View) -> dict[str, dict[str, Any]]:
    return {one["type"]: one for one in status(seen)["conditions"]}


def test_a_service_that_runs() -> None:
    found = conditions(view(app("RUNNING")))
    assert {name: one["status"] for name, one in found.items()} == {
        "IngressReady": "True",
        "LatestDeploymentReady": "True",
        "PredictorReady": "True",
        "Ready": "True",
        "RoutesReady": "True",
        "Stopped": "False",
    }
    living = {name for name, one in found.items() if "severity" not in one}
    assert living == {"IngressReady", "PredictorReady", "Ready"}
    assert {one["severity"] for name, one in found.items() if name not in living} == {"Info"}
    assert [one["type"] for one in status(view(app("RUNNING")))["conditions"]] == sorted(found)


def test_knatives_conditions_of_components() -> None:
    spec: dict[str, Any] = {"transformer": {"containers": [{}]}}
    spec |= {"explainer": {"containers": [{}]}}
    found = conditions(view(app("RUNNING"), annotations=KNATIVE, spec=spec))
    for component in ("Predictor", "Transformer", "Explainer"):
        assert found[f"{component}Ready"]["status"] == "True"
        assert found[f"{component}ConfigurationReady"]["status"] == "True"
    assert found["PredictorRouteReady"]["status"] == "True"
    assert found["TransformerRouteReady"]["status"] == "True"
    assert found["ExplainerRoutesReady"]["status"] == "True"
    failed = conditions(view(app("DEPLOY_FAILED", "no model"), annotations=KNATIVE, spec=spec))
    assert failed["PredictorConfigurationReady"]["status"] == "False"
    assert failed["LatestDeploymentReady"]["status"] == "False"
    assert failed["RoutesReady"]["reason"] == "ExplainerRoutesReady not ready"


def test_a_canary_that_fails_leaves_ready_alone() -> None:
    broken = view(app("RUNNING"), canary=app("DEPLOY_FAILED", "no model", "c"))
    found = conditions(broken)
    assert found["Ready"]["status"] == "True"
    canary = found["CanaryPredictorReady"]
    assert (canary["status"], canary["reason"]) == ("False", "CanariesNotReady")
    assert canary["message"] == "blue: no model"
    assert canary["severity"] == "Info"
    assert not broken.unsettled
    coming = view(app("RUNNING"), canary=app("DEPLOYING", "", "c"))
    assert conditions(coming)["CanaryPredictorReady"]["reason"] == "CanariesNotReady"
    assert coming.unsettled  # the operator looks again soon
    well = conditions(view(app("RUNNING"), canary=app("RUNNING", "", "c")))
    assert well["CanaryPredictorReady"]["reason"] == "AllCanariesReady"


def test_a_stopped_service() -> None:
    spec: dict[str, Any] = {"transformer": {"containers": [{}]}}
    before = {"conditions": [{"type": "Ready", "status": "True"}]}
    seen = view(None, stopped=True, spec=spec, before=before)
    found = conditions(seen)
    for name in ("IngressReady", "PredictorReady", "Ready", "TransformerReady"):
        assert (found[name]["status"], found[name]["reason"]) == ("False", "Stopped")
    assert found["Stopped"]["status"] == "True"
    assert not {"url", "address", "modelStatus"} & status(seen).keys()
    assert [one.reason for one in notices(seen)] == ["InferenceServiceNotReady"]


@pytest.mark.parametrize(
    ("given", "state", "reason", "transition"),
    [
        (
            app("NOT_STARTED", "x", reason="ImagePullBackOff"),
            "False",
            "ImagePullBackOff",
            "Blocked",
        ),
        (app("NOT_STARTED", "x", reason="Unschedulable"), "Unknown", "Unschedulable", "InProgress"),
        (app("NOT_STARTED"), "Unknown", "Deploying", "InProgress"),
        (app("DEPLOY_FAILED", "x"), "False", "ModelLoadFailed", "Blocked"),
        (app("REFUSED", "x"), "False", "ObjectsRefused", "Blocked"),
        (app("UNHEALTHY", "x"), "False", "RuntimeUnhealthy", "Blocked"),
    ],
)
def test_what_does_not_come_up(
    given: ServeApplication, state: str, reason: str, transition: str
) -> None:
    seen = view(given)
    found = conditions(seen)
    for name in ("PredictorReady", "Ready"):
        assert (found[name]["status"], found[name]["reason"]) == (state, reason)
    assert status(seen)["modelStatus"]["transitionStatus"].startswith(transition)
    told = [one.reason for one in notices(seen)]
    assert told == ([] if reason == "Deploying" else [reason])
    again = view(given, before=status(seen))
    assert notices(again) == ()  # once


def test_pods_that_are_replaced() -> None:
    """The service goes on answering, and is not ready: its users wait for the new pods."""
    given = app("RUNNING", "a pod finds no node", replaced=True, reason="Unschedulable")
    seen = view(given, before={"conditions": [{"type": "Ready", "status": "True"}]})
    found = conditions(seen)
    assert (found["Ready"]["status"], found["Ready"]["reason"]) == ("Unknown", "Unschedulable")
    assert found["IngressReady"]["status"] == "True"
    assert status(seen)["url"]
    assert seen.unsettled
    told = [one.reason for one in notices(seen)]
    assert told[:2] == ["InferenceServiceNotReady", "Unschedulable"]


def test_invalid_is_told_once_with_its_reason() -> None:
    seen = view(None, errors="NoSupportingRuntime: no runtime reads it")
    assert conditions(seen)["Ready"]["reason"] == "InvalidPredictorSpec"
    failure = status(seen)["modelStatus"]["lastFailureInfo"]
    assert failure["reason"] == "NoSupportingRuntime"
    assert [one.reason for one in notices(seen)] == ["InvalidPredictorSpec"]
