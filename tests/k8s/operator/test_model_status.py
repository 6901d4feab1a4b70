"""``status.modelStatus`` in each state that KServe has a word for."""

from __future__ import annotations

from typing import Any

import jsonschema
import pytest

from fake_cluster import service
from umbel.graph.findings import Finding, Place
from umbel.k8s.crds.status_schema import STATUS
from umbel.k8s.operator.candidate import Candidate
from umbel.k8s.operator.compiling import Compiled
from umbel.k8s.operator.model_status import model_status, variant_status
from umbel.k8s.operator.revisions import Revision
from umbel.k8s.operator.rollout import Rollout
from umbel.k8s.operator.service_status import View
from umbel.k8s.operator.settings import OperatorSettings
from umbel.k8s.operator.world import Key, Owner, ServeApplication, World

KEY = Key("InferenceService", "default", "iris")
NAME = "iris-predictor-00001"


def application(status: str, message: str = "", *, proven: bool = False) -> ServeApplication:
    return ServeApplication("app", "/", status, message, {}, Owner(KEY, NAME), 3, proven)


def view(
    app: ServeApplication | None, said: str = "", before: dict[str, Any] | None = None, now: int = 1
) -> View:
    findings = (Finding("error", "UMB-K219", said, Place(), "fix it"),) if said else ()
    one = Candidate(NAME, {}, Compiled(None, findings), {"name": "app"}, app)
    raw = service()
    raw["status"] = before or {}
    return View(
        raw,
        World(now=f"2026-01-01T00:00:0{now}Z"),
        OperatorSettings(target="ray"),
        Rollout(Revision(NAME, 1, "d", {}), None, None, None),
        holder=app,
        candidates={NAME: one, "blue": one},
        variants=("blue",),
    )


@pytest.mark.parametrize(
    ("app", "said", "transition", "target", "reason", "copies"),
    [
        (None, "", "InProgress", "Pending", "", (0, 0)),
        (application("DEPLOYING"), "", "InProgress", "Loading", "", (0, 0)),
        (application("RUNNING"), "", "UpToDate", "Loaded", "", (0, 3)),
        (application("DEPLOYING", proven=True), "", "UpToDate", "Loaded", "", (0, 3)),
        (
            application("DEPLOY_FAILED", "x\nValueError: no such file\n"),
            "",
            "BlockedByFailedLoad",
            "FailedToLoad",
            "ModelLoadFailed",
            (1, 0),
        ),
        (
            application("UNHEALTHY", "the replica died"),
            "",
            "BlockedByFailedLoad",
            "FailedToLoad",
            "RuntimeUnhealthy",
            (1, 0),
        ),
        (None, "bad", "InvalidSpec", "FailedToLoad", "InvalidPredictorSpec", (0, 0)),
        (None, "RuntimeDisabled: x", "InvalidSpec", "FailedToLoad", "RuntimeDisabled", (0, 0)),
        (
            None,
            "NoSupportingRuntime: x",
            "InvalidSpec",
            "FailedToLoad",
            "NoSupportingRuntime",
            (0, 0),
        ),
        (
            None,
            "RuntimeNotRecognized: x",
            "InvalidSpec",
            "FailedToLoad",
            "RuntimeNotRecognized",
            (0, 0),
        ),
    ],
)
def test_each_state(
    app: ServeApplication | None,
    said: str,
    transition: str,
    target: str,
    reason: str,
    copies: tuple[int, int],
) -> None:
    seen = view(app, said)
    for found in (model_status(seen), variant_status(seen, "blue")):
        assert found["transitionStatus"] == transition
        assert found["states"]["targetModelState"] == target
        assert found["states"]["activeModelState"] == ("Loaded" if target == "Loaded" else "")
        assert found.get("lastFailureInfo", {}).get("reason", "") == reason
        assert (found["copies"]["failedCopies"], found["copies"]["totalCopies"]) == copies
        status = {"modelStatus": found}
        jsonschema.validate(status, STATUS["InferenceService"])


def test_the_last_failure_stays_with_its_time_as_in_kserve() -> None:
    broken = application("DEPLOY_FAILED", "ValueError: no such file")
    first = model_status(view(broken, now=1))
    again = model_status(view(broken, before={"modelStatus": first}, now=2))
    assert again == first  # nothing is written anew
    well = model_status(view(application("RUNNING"), before={"modelStatus": again}, now=3))
    assert well["transitionStatus"] == "UpToDate"
    assert well["lastFailureInfo"] == first["lastFailureInfo"]
    other = application("DEPLOY_FAILED", "OSError: disk full")
    next_one = model_status(view(other, before={"modelStatus": well}, now=4))
    assert next_one["lastFailureInfo"]["time"] == "2026-01-01T00:00:04Z"
    assert "disk full" in next_one["lastFailureInfo"]["message"]
