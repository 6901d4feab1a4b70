"""An InferenceService's conditions, by KServe's names and rules.

``Ready`` is made of ``PredictorReady`` and ``IngressReady``. A canary has a condition of its own,
on which ``Ready`` does not depend: a canary that cannot start gets no traffic and harms nobody.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from umbel.k8s.operator.conditions import (
    LIVING,
    Condition,
    State,
    summary,
    true_or,
    unreachable,
    warned,
)
from umbel.k8s.operator.container_states import REFUSED
from umbel.k8s.operator.messages import findings_text, tidy
from umbel.k8s.operator.world import ServeApplication

if TYPE_CHECKING:
    from umbel.k8s.operator.service_status import View

STOPPED = "Stopped"
OTHERS = ("transformer", "explainer")
"""The components besides the predictor. They run in its replicas."""

_FAILURES = {"REFUSED": REFUSED, "UNHEALTHY": "RuntimeUnhealthy"}
_PLURAL = {"explainer": "ExplainerRoutesReady"}
"""KServe calls this one so."""


def conditions_of(view: View) -> list[Condition]:
    """All of them. `merged` sorts them and keeps their times."""
    if view.stopped:
        return _stopped(view)
    predictor, ingress = _predictor(view), _ingress(view)
    found = [predictor, ingress, *_of_components(view, predictor), *_of_canaries(view)]
    warnings = warned(view.findings)
    if warnings is not None:
        found.append(warnings)
    found.append(Condition(STOPPED, "False"))
    return [*found, summary(one for one in found if one.type in LIVING)]


def waiting(app: ServeApplication | None) -> str:
    """Why an application is not up yet, in Ray's or Kubernetes' words, to stand behind others."""
    return f": {tidy(app.message)}" if app is not None and app.message else ""


def _stopped(view: View) -> list[Condition]:
    text = "the annotation serving.kserve.io/stop is true"
    names = ["PredictorReady", "IngressReady", "Ready"]
    names += [f"{name.title()}Ready" for name in _components(view)]
    if (view.raw.get("spec") or {}).get("canary"):
        names.append("CanaryPredictorReady")
    return [
        *(Condition(name, "False", STOPPED, text) for name in names),
        Condition(STOPPED, "True"),
    ]


def _components(view: View) -> list[str]:
    spec = view.raw.get("spec") or {}
    return [name for name in OTHERS if spec.get(name)]


def _ingress(view: View) -> Condition:
    if not view.world.reachable:
        return unreachable("IngressReady")
    return true_or("IngressReady", view.answers, "Deploying", "no revision answers yet")


def _of_components(view: View, predictor: Condition) -> Iterator[Condition]:
    """What Knative tells of routes and revisions, of each component and of all together."""
    routed = view.answers and view.world.reachable
    latest = view.latest is not None and view.latest.runs
    configured = predictor if predictor.status == "False" and not latest else None
    for name in ("predictor", *_components(view)):
        title = name.title()
        own = view.latest.containers.states.get(name) if view.latest is not None else None
        if name != "predictor" and own is not None and view.world.reachable:
            yield own.condition(name)
        elif name != "predictor":
            yield Condition(f"{title}Ready", predictor.status, predictor.reason, predictor.message)
        if view.mode == "Knative":
            yield true_or(_PLURAL.get(name, f"{title}RouteReady"), routed, "Deploying")
            ready = f"{title}ConfigurationReady"
            if configured is not None:
                yield Condition(ready, "False", configured.reason, configured.message)
            else:
                yield true_or(ready, latest, predictor.reason or "Deploying")
    last = (["predictor", *_components(view)])[-1]
    route = _PLURAL.get(last, f"{last.title()}RouteReady")
    yield true_or("RoutesReady", routed, f"{route} not ready")
    state: State = "True" if latest else "Unknown" if configured is None else "False"
    text = "" if latest else f"{last.title()}ConfigurationReady not ready"
    yield Condition("LatestDeploymentReady", state, text)


def _predictor(view: View) -> Condition:
    latest = view.latest
    if not view.world.reachable:
        return unreachable("PredictorReady")
    if latest is None:
        return Condition("PredictorReady", "Unknown", "Deploying")
    if view.errors:
        text = findings_text(view.errors)
        return Condition("PredictorReady", "False", "InvalidPredictorSpec", text)
    app = latest.app
    if app is not None and app.failed:
        reason = _FAILURES.get(app.status, "ModelLoadFailed")
        return Condition("PredictorReady", "False", app.reason or reason, tidy(app.message))
    if not latest.runs:
        text = f"{latest.name} is being deployed{waiting(app)}"
        reason = (app.reason if app is not None else "") or "Deploying"
        broken = app is not None and app.broken
        return Condition("PredictorReady", "False" if broken else "Unknown", reason, text)
    arrived = view.holder is not None and view.holder.name == view.target
    if not arrived:
        return Condition("PredictorReady", "Unknown", "MovingTraffic", "traffic is being moved")
    if app is not None and app.replaced:
        text = f"its pods are being replaced{waiting(app)}"
        return Condition("PredictorReady", "Unknown", app.reason or "Deploying", text)
    return Condition("PredictorReady", "True")


def _of_canaries(view: View) -> Iterator[Condition]:
    if not view.variants:
        return
    texts = []
    for name in view.variants:
        one = view.candidates[name]
        if one.compiled.errors:
            texts.append(f"{name}: {findings_text(one.compiled.errors)}")
        elif one.app is not None and one.app.failed:
            texts.append(f"{name}: {tidy(one.app.message)}")
        elif not one.runs:
            texts.append(f"{name} is being deployed{waiting(one.app)}")
    if texts:
        yield Condition("CanaryPredictorReady", "False", "CanariesNotReady", "; ".join(texts))
    else:
        yield Condition("CanaryPredictorReady", "True", "AllCanariesReady")
