"""An InferenceService's status, in KServe's fields: what is true now, not what is hoped for."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from umbel.graph.findings import Finding
from umbel.k8s.operator.conditions import LIVING, merged
from umbel.k8s.operator.grpc_front import grpc_url
from umbel.k8s.operator.model_status import model_status, runtime_fields, variant_status
from umbel.k8s.operator.outcome import Notice, readiness_notices
from umbel.k8s.operator.rollout import Rollout, canaries, recorded
from umbel.k8s.operator.service_conditions import conditions_of
from umbel.k8s.operator.settings import OperatorSettings
from umbel.k8s.operator.world import Key, Raw, ServeApplication, World, noted

if TYPE_CHECKING:
    from umbel.k8s.operator.candidate import Candidate

_MODES = {"RawDeployment": "Standard", "Serverless": "Knative"}


@dataclass(frozen=True)
class View:
    """What the status is worked out from. ``holder`` has the route now, ``target`` (a name)
    should have it; ``candidates`` are the revisions and variants by name."""

    raw: Raw
    world: World
    settings: OperatorSettings
    rollout: Rollout
    holder: ServeApplication | None = None
    target: str = ""
    candidates: Mapping[str, Candidate] = field(default_factory=dict)
    variants: tuple[str, ...] = ()
    stopped: bool = False
    findings: tuple[Finding, ...] = ()
    """About the resource as its user wrote it."""

    @property
    def errors(self) -> tuple[Finding, ...]:
        """What forbids serving the newest revision."""
        own = tuple(one for one in self.findings if one.severity == "error")
        return own or (self.latest.compiled.errors if self.latest else ())

    @property
    def mode(self) -> str:
        """``deploymentMode``, by the name it has today."""
        asked = str(noted(self.raw).get("serving.kserve.io/deploymentMode", "Standard"))
        return _MODES.get(asked, asked)

    @property
    def unsettled(self) -> bool:
        """True while something is on its way up: it pays to look again soon."""
        apps = [one.app for one in self.candidates.values() if one.config is not None]
        return any(app is None or not (app.runs or app.failed) or app.replaced for app in apps)

    @property
    def latest(self) -> Candidate | None:
        """The newest revision."""
        return self.candidates.get(self.rollout.latest.name)

    @property
    def answers(self) -> bool:
        """True while a running application has the route."""
        return self.holder is not None and self.holder.runs

    def traffic(self) -> dict[str, int]:
        """Revision or variant → percent, as requests are divided at this moment."""
        if self.holder is None:
            return {}
        if self.holder.owner.role != "front":
            return {self._revision_of(self.holder.name) or self.holder.owner.revision: 100}
        shares = self.holder.owner.shares
        return {self._revision_of(app) or app: percent for app, percent in shares.items()}

    def rolled_out(self) -> tuple[str, str]:
        """``latestRolledoutRevision`` and the one before, now."""
        old = self.rollout.rolled_out.name if self.rollout.rolled_out else ""
        previous = self.rollout.previous.name if self.rollout.previous else ""
        latest, all_of_it = self.rollout.latest.name, self.rollout.percent in (None, 100)
        carries = self.answers and self._stable() == latest
        if carries and old != latest and (all_of_it or not old):
            return latest, old or previous
        return old, previous

    def _stable(self) -> str:
        """The revision that all traffic goes to, canaries apart; empty for two revisions."""
        names = [name for name in self.traffic() if name not in self.variants]
        return names[0] if len(names) == 1 else ""

    def serving_content(self) -> Raw | None:
        """What graphs that name the service run: the revision that was proven to answer."""
        if not self.answers:
            return None
        shares = {n: p for n, p in self.traffic().items() if n in self.candidates}
        best = max(shares, key=lambda name: shares[name], default="")
        return self.candidates[best].content if best else None

    def _revision_of(self, app: str) -> str:
        for name, one in self.candidates.items():
            if one.config is not None and one.config["name"] == app:
                return name
        return ""


def status(view: View) -> dict[str, Any]:
    """The whole status."""
    before = view.raw.get("status") or {}
    conditions, times = conditions_of(view), before.get("conditions") or ()
    found: dict[str, Any] = {
        "observedGeneration": view.raw["metadata"].get("generation", 0),
        "conditions": merged(conditions, times, view.world.now, LIVING),
        "components": _components(view),
        "deploymentMode": view.mode,
    }
    if view.stopped:
        return found
    found["modelStatus"] = model_status(view)
    found |= runtime_fields(view)
    if view.answers:
        url = view.settings.url(*Key.of(view.raw)[1:])
        found |= {"url": url, "address": {"url": url}}
    if not view.world.reachable:  # nobody knows better than the status of before
        found |= {key: before[key] for key in ("url", "address", "components") if key in before}
    if view.variants:
        found["canaryStatuses"] = [
            {
                "name": name,
                "ready": view.candidates[name].runs,
                "trafficPercent": percent,
                "modelStatus": variant_status(view, name),
            }
            for name, _, percent in canaries(view.raw)
        ]
    return found


def notices(view: View) -> tuple[Notice, ...]:
    """Events: what changed since the status that is recorded."""
    before = {c.get("type"): c for c in (view.raw.get("status") or {}).get("conditions") or ()}
    key = Key.of(view.raw)
    ready = next(c for c in conditions_of(view) if c.type == "Ready")
    made = list(readiness_notices(key, ready, before.get("Ready", {})))
    rolled, was = view.rolled_out()[0], str(recorded(view.raw).get("latestRolledoutRevision", ""))
    if rolled and rolled != was:
        done = "RolledBack" if rolled < was else "RolledOut"
        made.append(Notice(key, done, f"all traffic goes to {rolled}"))
    return tuple(made)


def _components(view: View) -> dict[str, Any]:
    rolled, previous = view.rolled_out()
    latest = view.rollout.latest.name
    ready = str(recorded(view.raw).get("latestReadyRevision", ""))
    if view.latest is not None and view.latest.runs:
        ready = latest
    revisions = {
        "latestCreatedRevision": latest,
        "latestReadyRevision": ready,
        "latestRolledoutRevision": rolled,
        "previousRolledoutRevision": previous,
    }
    predictor: dict[str, Any] = {name: value for name, value in revisions.items() if value}
    url = view.settings.url(*Key.of(view.raw)[1:])
    if view.answers and not view.stopped:
        predictor["traffic"] = _traffic(view, latest)
        predictor |= {"url": url, "address": {"url": url}}
        grpc = grpc_url(view.settings, Key.of(view.raw))
        predictor |= {"restUrl": url, "grpcUrl": grpc} if grpc else {}
    found = {"predictor": predictor}
    for name in ("transformer", "explainer"):
        if (view.raw.get("spec") or {}).get(name):
            rest = {k: v for k, v in predictor.items() if k in ("url", "address")}
            found[name] = {
                "latestCreatedRevision": latest.replace("-predictor-", f"-{name}-"),
                **(
                    {"latestReadyRevision": ready.replace("-predictor-", f"-{name}-")}
                    if ready
                    else {}
                ),
                **rest,
            }
    return found


def _traffic(view: View, latest: str) -> list[dict[str, Any]]:
    tagged = str(noted(view.raw).get("serving.kserve.io/enable-tag-routing", "")) == "true"
    found = []
    shares = view.traffic()
    for name, percent in sorted(shares.items(), key=lambda item: item[0] != latest):
        entry: dict[str, Any] = {"revisionName": name, "percent": percent}
        entry["latestRevision"] = name == latest
        tag = "latest" if name == latest else "prev"
        if name not in view.variants and (tag == "prev" or tagged):
            entry["tag"] = tag
            if tagged:
                namespace, own = Key.of(view.raw)[1:]
                entry["url"] = view.settings.url(namespace, f"{tag}-{own}")
        found.append(entry)
    return found
