"""An InferenceGraph → its application and its status.

The services it names run inside its application, in the revision that answers under their own
URL. A service whose traffic is divided is called over HTTP, so that its canary gets its share;
so is one whose variables or credentials are not those of the first, and every service with
KubeRay, where each has a Ray cluster of its own.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from umbel.k8s.operator.compiling import Compiled, application, compiled, document
from umbel.k8s.operator.conditions import Condition, merged, unreachable, warned
from umbel.k8s.operator.container_states import REFUSED
from umbel.k8s.operator.messages import findings_text, tidy
from umbel.k8s.operator.outcome import Notice, Outcome, readiness_notices
from umbel.k8s.operator.reading import bare, loaded
from umbel.k8s.operator.replica_variables import JoinedVariables
from umbel.k8s.operator.routing import as_config, holder_of, routed
from umbel.k8s.operator.service_conditions import waiting
from umbel.k8s.operator.settings import OperatorSettings
from umbel.k8s.operator.world import (
    Key,
    Raw,
    World,
    is_going,
    is_stopped,
    noted,
)
from umbel.k8s.translate.names import SERVICE_URLS, predict_path

CONFIG = "inferenceservice-config"


def plan_graph(
    world: World,
    raw: Raw,
    settings: OperatorSettings,
    services: Mapping[Key, Outcome],
    graphs: Mapping[Key, Raw],
) -> Outcome:
    """What the graph comes to, given what became of the services."""
    return _GraphPlan(world, raw, settings, services, graphs).outcome()


def services_of(raw: Raw) -> list[str]:
    """The names after ``serviceName``, each once, in order."""
    nodes = (raw.get("spec") or {}).get("nodes") or {}
    found: dict[str, None] = {}
    for node in nodes.values() if isinstance(nodes, Mapping) else ():
        for step in (node or {}).get("steps") or ():
            if isinstance(step, Mapping) and step.get("serviceName") and not step.get("serviceUrl"):
                found[str(step["serviceName"])] = None
    return list(found)


@dataclass(frozen=True)
class _Members:
    """``missing`` holds a sentence for each service that cannot be called."""

    documents: tuple[Raw, ...]
    urls: Mapping[str, str]
    missing: tuple[str, ...]


class _GraphPlan:
    def __init__(
        self,
        world: World,
        raw: Raw,
        settings: OperatorSettings,
        services: Mapping[Key, Outcome],
        graphs: Mapping[Key, Raw],
    ) -> None:
        self.world, self.raw, self.settings = world, raw, settings
        self.services, self.graphs = services, graphs
        self.key = Key.of(raw)
        self.route = settings.route(self.key.namespace, self.key.name)
        self.all = world.owned_by(self.key)
        self.observed = {n: a for n, a in self.all.items() if a.status != "DELETING"}
        self.variables = JoinedVariables(world, self.key)

    def outcome(self) -> Outcome:
        """The whole of it."""
        finalizer = self.settings.target == "ray"
        if is_going(self.raw):
            left = bool(self.all) or not self.world.reachable
            return Outcome(self.key, self.raw, held=finalizer and left)
        if is_stopped(self.raw):
            text = "the annotation serving.kserve.io/stop is true"
            ready = Condition("Ready", "False", "Stopped", text)
            status = self._status(ready, None, stopped=True)
            notices = self._notices(ready)
            return Outcome(self.key, self.raw, status=status, held=finalizer, notices=notices)
        if finalizer and Key("InferenceService", *self.key[1:]) in self.services:
            text = (
                f"an InferenceService is called {self.key.name}, too, and has its path: rename one"
            )
            status = self._status(Condition("Ready", "False", "NameTaken", text), None)
            return Outcome(self.key, self.raw, status=status, held=finalizer)
        members = self._members(self.raw, frozenset({self.key}))
        made = self._compiled(members)
        target = self._application(made) if not members.missing else None
        if target is None or not self.world.reachable:
            applications = tuple(as_config(app, app.route) for app in self.observed.values())
        else:
            linger = self.settings.linger_s
            early = self.settings.target == "kuberay"
            applications = routed(
                self.world, self.observed, (), target, self.route, linger, early=early
            ).applications
        ready = self._ready(members, made, target)
        return Outcome(
            self.key,
            self.raw,
            applications,
            status=self._status(ready, made),
            held=finalizer,
            notices=self._notices(ready),
        )

    def _compiled(self, members: _Members) -> Compiled:
        own = bare(self.raw)
        if members.urls:
            given = json.loads(noted(self.raw).get(SERVICE_URLS) or "{}")
            urls = json.dumps({**members.urls, **given}, sort_keys=True)
            extended = {**noted(self.raw), SERVICE_URLS: urls}
            own = {**own, "metadata": {**own["metadata"], "annotations": extended}}  # type: ignore[dict-item]
        config = () if self.world.config is None else (self.world.config,)
        documents = [
            own,
            *members.documents,
            *self.world.runtimes_near(self.key.namespace),
            *map(bare, config),
        ]
        return compiled(self.key, documents, self.route, self.variables.of_application())

    def _application(self, made: Compiled) -> dict[str, Any] | None:
        if made.config is None:
            return None
        return application(
            made.config, operator=self.settings.name, key=self.key, revision="", route=None
        )

    def _members(self, graph: Raw, above: frozenset[Key]) -> _Members:
        documents: list[Raw] = []
        urls: dict[str, str] = {}
        missing: list[str] = []
        for name in services_of(graph):
            service = self.services.get(Key("InferenceService", self.key.namespace, name))
            inner = self.graphs.get(Key("InferenceGraph", self.key.namespace, name))
            if service is not None and not is_going(service.raw):
                self._service(name, service, documents, urls, missing)
            elif inner is not None and Key.of(inner) not in above:
                documents.append(bare(inner))
                below = self._members(inner, above | {Key.of(inner)})
                documents += below.documents
                urls |= below.urls
                missing += below.missing
            elif name not in self._given_urls():
                missing.append(f"failed to find the service {name}")
        unique = {json.dumps(one, sort_keys=True): one for one in documents}
        return _Members(tuple(unique.values()), urls, tuple(missing))

    def _service(
        self,
        name: str,
        service: Outcome,
        documents: list[Raw],
        urls: dict[str, str],
        missing: list[str],
    ) -> None:
        if service.serving is None:
            missing.append(f"the service {name} is not ready")
        elif (
            service.divided
            or self.settings.target == "kuberay"
            or not self.variables.take(service.serving.get("spec") or {})
        ):
            url = self.settings.url(self.key.namespace, name)
            typed = loaded(document(service.key, service.serving))
            urls[name] = url + predict_path(typed.inference_services[0], typed)
        else:
            documents.append(document(service.key, service.serving))

    def _given_urls(self) -> Mapping[str, Any]:
        try:
            given = json.loads(noted(self.raw).get(SERVICE_URLS) or "{}")
        except ValueError:
            return {}
        return given if isinstance(given, Mapping) else {}

    def _ready(
        self, members: _Members, made: Compiled, target: Mapping[str, Any] | None
    ) -> Condition:
        if not self.world.reachable:
            return unreachable("Ready")
        if members.missing:
            return Condition("Ready", "False", "ServicesNotReady", "; ".join(members.missing))
        if target is None:
            return Condition("Ready", "False", "InvalidSpec", findings_text(made.errors))
        app = self.observed.get(str(target["name"]))
        holder = holder_of(self.observed, self.route)
        if app is not None and app.failed:
            reason = REFUSED if app.status == "REFUSED" else "DeployFailed"
            return Condition("Ready", "False", app.reason or reason, tidy(app.message))
        if app is None or not app.runs:
            why = (app.reason if app is not None else "") or "Deploying"
            text = f"the graph is being deployed{waiting(app)}"
            broken = app is not None and app.broken
            return Condition("Ready", "False" if broken else "Unknown", why, text)
        if holder is not app:
            return Condition("Ready", "Unknown", "MovingTraffic", "traffic is being moved")
        if app.replaced:
            text = f"its pods are being replaced{waiting(app)}"
            return Condition("Ready", "Unknown", app.reason or "Deploying", text)
        return Condition("Ready", "True")

    def _status(
        self, ready: Condition, made: Compiled | None, *, stopped: bool = False
    ) -> dict[str, Any]:
        before = self.raw.get("status") or {}
        conditions = [ready]
        warnings = warned(made.findings) if made is not None else None
        if warnings is not None:
            conditions.append(warnings)
        conditions.append(Condition("Stopped", "True" if stopped else "False"))
        mode = noted(self.raw).get("serving.kserve.io/deploymentMode", "Standard")
        modes = {"RawDeployment": "Standard", "Serverless": "Knative"}
        found: dict[str, Any] = {
            "observedGeneration": self.raw["metadata"].get("generation", 0),
            "conditions": merged(conditions, before.get("conditions") or (), self.world.now),
            "deploymentMode": modes.get(mode, mode),
        }
        if self._answers() and not stopped:
            found["url"] = self.settings.url(self.key.namespace, self.key.name)
        elif before.get("url") and not self.world.reachable and not stopped:
            found["url"] = before["url"]
        return found

    def _answers(self) -> bool:
        holder = holder_of(self.observed, self.route)
        return holder is not None and holder.runs

    def _notices(self, ready: Condition) -> tuple[Notice, ...]:
        known = (self.raw.get("status") or {}).get("conditions") or ()
        before: Raw = next((one for one in known if one.get("type") == "Ready"), {})
        return tuple(readiness_notices(self.key, ready, before))
