"""``status.modelStatus`` and the runtime that was chosen."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from umbel.k8s.operator.messages import findings_text, tidy
from umbel.k8s.operator.reading import chosen_runtime

if TYPE_CHECKING:
    from umbel.k8s.operator.service_status import View

_RUNTIME_REASONS = ("RuntimeNotRecognized", "RuntimeDisabled", "NoSupportingRuntime")


def model_status(view: View) -> dict[str, Any]:
    """What KServe says of the model: what answers, what is to answer, and why it does not."""
    latest = view.latest
    copies = view.holder.replicas if view.holder is not None and view.answers else 0
    active = "Loaded" if view.answers else ""
    failure: dict[str, Any] = {}
    if latest is None or (latest.app is None and not view.errors):
        transition, target = "InProgress", "Pending"
    elif view.errors:
        transition, target = "InvalidSpec", "FailedToLoad"
        text = findings_text(view.errors)
        reason = next((one for one in _RUNTIME_REASONS if one in text), "InvalidPredictorSpec")
        failure = {"reason": reason, "message": text}
    elif latest.app is not None and latest.app.failed:
        transition, target = "BlockedByFailedLoad", "FailedToLoad"
        failure = {
            "reason": "ModelLoadFailed",
            "message": tidy(latest.app.message),
            "modelRevisionName": latest.name,
        }
    elif latest.runs:
        transition, target = "UpToDate", "Loaded"
    else:
        transition, target = "InProgress", "Loading"
    found: dict[str, Any] = {
        "transitionStatus": transition,
        "states": {"activeModelState": active, "targetModelState": target},
        "copies": {"failedCopies": 1 if failure else 0, "totalCopies": copies},
    }
    if failure:
        found["lastFailureInfo"] = failure
    return found


def runtime_fields(view: View) -> dict[str, str]:
    """``servingRuntimeName`` or ``clusterServingRuntimeName``; KServe's own runtimes, which no
    resource declares, are cluster-wide."""
    choice = chosen_runtime(view.raw, view.world)
    if choice is None:
        return {}
    name, namespace = choice
    return {"servingRuntimeName" if namespace else "clusterServingRuntimeName": name}
