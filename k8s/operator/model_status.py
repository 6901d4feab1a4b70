"""``status.modelStatus`` in all of KServe's values, and the runtime that was chosen."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from umbel.graph.findings import Finding
from umbel.k8s.operator.messages import findings_text, tidy
from umbel.k8s.operator.reading import chosen_runtime

if TYPE_CHECKING:
    from umbel.k8s.operator.candidate import Candidate
    from umbel.k8s.operator.service_status import View

_RUNTIME_REASONS = ("RuntimeNotRecognized", "RuntimeDisabled", "NoSupportingRuntime")
_OF_APPLICATIONS = {"REFUSED": "InvalidPredictorSpec", "UNHEALTHY": "RuntimeUnhealthy"}


def model_status(view: View) -> dict[str, Any]:
    """What KServe says of the model: what answers, what is to answer, and why it does not."""
    before = (view.raw.get("status") or {}).get("modelStatus") or {}
    found = _status(view.latest, view.errors, before, view.world.now)
    found["states"]["activeModelState"] = "Loaded" if view.answers else ""
    return found


def variant_status(view: View, name: str) -> dict[str, Any]:
    """The same of one of ``spec.canary[]``."""
    recorded = (view.raw.get("status") or {}).get("canaryStatuses") or ()
    known: dict[str, Any] = {one.get("name"): one.get("modelStatus") for one in recorded}
    one = view.candidates[name]
    found = _status(one, one.compiled.errors, known.get(name) or {}, view.world.now)
    found["states"]["activeModelState"] = "Loaded" if one.runs else ""
    return found


def _status(
    one: Candidate | None, errors: Sequence[Finding], before: Mapping[str, Any], now: str
) -> dict[str, Any]:
    app = one.app if one is not None else None
    failure: dict[str, Any] = {}
    if errors:
        transition, target = "InvalidSpec", "FailedToLoad"
        text = findings_text(errors)
        reason = next((word for word in _RUNTIME_REASONS if word in text), "InvalidPredictorSpec")
        failure = {"reason": reason, "message": text}
    elif one is None or app is None:
        transition, target = "InProgress", "Pending"
    elif app.failed or app.broken:
        transition, target = "BlockedByFailedLoad", "FailedToLoad"
        reason = _OF_APPLICATIONS.get(app.status, "ModelLoadFailed")
        reason = "RuntimeUnhealthy" if app.broken else reason
        failure = {"reason": reason, "message": tidy(app.message), "modelRevisionName": one.name}
    elif app.runs:
        transition, target = "UpToDate", "Loaded"
    else:
        transition, target = "InProgress", "Loading"
    copies = app.replicas if app is not None and app.runs else 0
    failed = 1 if transition == "BlockedByFailedLoad" else 0
    found: dict[str, Any] = {
        "transitionStatus": transition,
        "states": {"targetModelState": target},
        "copies": {"failedCopies": failed, "totalCopies": copies},
    }
    last = _last_failure(failure, before.get("lastFailureInfo") or {}, now)
    return {**found, "lastFailureInfo": last} if last else found


def _last_failure(failure: Mapping[str, Any], before: Mapping[str, Any], now: str) -> Any:
    """As in KServe, the last failure stays when it is over. Its time is when it was first seen."""
    if not failure or {k: v for k, v in before.items() if k != "time"} == failure:
        return dict(before)
    return {**failure, "time": now}


def runtime_fields(view: View) -> dict[str, str]:
    """``servingRuntimeName`` or ``clusterServingRuntimeName``; KServe's own runtimes, which no
    resource declares, are cluster-wide."""
    choice = chosen_runtime(view.raw, view.world)
    if choice is None:
        return {}
    name, namespace = choice
    return {"servingRuntimeName" if namespace else "clusterServingRuntimeName": name}
