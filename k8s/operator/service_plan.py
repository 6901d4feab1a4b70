"""An InferenceService → the applications it needs now, its records, and its status."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from umbel.graph.findings import Finding, has_errors
from umbel.k8s.operator import service_status
from umbel.k8s.operator.candidate import Candidate
from umbel.k8s.operator.compiling import application, compiled, document, front
from umbel.k8s.operator.container_states import behind
from umbel.k8s.operator.containers import (
    RevisionContainers,
    containers_of,
    still_called,
    wanted_objects,
)
from umbel.k8s.operator.credentials import missing
from umbel.k8s.operator.model_plan import models_of
from umbel.k8s.operator.on_shared_ray import findings_on_shared_ray
from umbel.k8s.operator.outcome import Outcome
from umbel.k8s.operator.reading import bare
from umbel.k8s.operator.replica_variables import replica_variables, secret_variables
from umbel.k8s.operator.revisions import (
    Revision,
    known_revisions,
    latest_revision,
    variant,
)
from umbel.k8s.operator.rollout import Rollout, canaries, rollout_of
from umbel.k8s.operator.routing import as_config, holder_of, routed
from umbel.k8s.operator.settings import OperatorSettings
from umbel.k8s.operator.shared_ray import plain_variables
from umbel.k8s.operator.world import (
    Key,
    Raw,
    World,
    is_going,
    is_stopped,
    noted,
)

TAG_ROUTING = "serving.kserve.io/enable-tag-routing"


def plan_service(world: World, raw: Raw, settings: OperatorSettings) -> Outcome:
    """What the service comes to."""
    return _ServicePlan(world, raw, settings).outcome()


class _ServicePlan:
    def __init__(self, world: World, raw: Raw, settings: OperatorSettings) -> None:
        self.world, self.raw, self.settings = world, raw, settings
        self.key = Key.of(raw)
        self.route = settings.route(self.key.namespace, self.key.name)
        self.models = models_of(world, self.key)
        self.all = world.owned_by(self.key)
        self.observed = {n: a for n, a in self.all.items() if a.status != "DELETING"}

    def outcome(self) -> Outcome:
        """The whole of it."""
        if is_going(self.raw):
            held = bool(self.all) or not self.world.reachable
            return Outcome(self.key, self.raw, held=held and self._keeps_finalizer())
        known = known_revisions(self.raw, self.world.revisions_of(self.raw))
        latest, made = latest_revision(self.raw, known)
        rollout = rollout_of(self.raw, known, latest)
        create = () if made is None else (made,)
        if is_stopped(self.raw):
            view = service_status.View(self.raw, self.world, self.settings, rollout, stopped=True)
            return Outcome(
                self.key,
                self.raw,
                create=create,
                status=service_status.status(view),
                held=self._keeps_finalizer(),
                notices=service_status.notices(view),
            )
        return self._served(rollout, known, create)

    def _keeps_finalizer(self) -> bool:
        return self.settings.target == "ray"

    def _served(
        self, rollout: Rollout, known: Sequence[Revision], create: tuple[Raw, ...]
    ) -> Outcome:
        revisions, variants = self._candidates(rollout)
        everything = {**revisions, **variants}
        findings = self._findings(everything[rollout.latest.name].containers)
        shares = self._shares(rollout, revisions, variants)
        configs = [c.config for c in everything.values() if c.config is not None]
        target = None if has_errors(findings) else self._target(shares, everything)
        applications = self._applications(target, configs, self._tags(rollout, revisions))
        view = service_status.View(
            self.raw,
            self.world,
            self.settings,
            rollout,
            holder=holder_of(self.observed, self.route),
            target="" if target is None else str(target["name"]),
            candidates=everything,
            variants=tuple(variants),
            findings=findings,
        )
        content = view.serving_content()
        return Outcome(
            self.key,
            self.raw,
            applications,
            create,
            self._surplus(rollout, known),
            service_status.status(view),
            self._keeps_finalizer(),
            service_status.notices(view),
            content,
            unsettled=view.unsettled,
            divided=len(view.traffic()) > 1 or bool(self.models) or self._in_containers(everything),
            containers=self._containers(everything, shares, may_start=target is not None),
            containers_called=still_called(self.world, self.key, self.all.values()),
        )

    def _findings(self, containers: RevisionContainers) -> tuple[Finding, ...]:
        spec = self.raw.get("spec") or {}
        whole = compiled(self.key, [bare(self.raw), *self._common()], self.route)
        named = missing(self.world, self.key.namespace, spec)
        on_ray = {**self.raw, "spec": containers.left_to_ray(spec)}
        shared = findings_on_shared_ray(self.world, on_ray, self.models, self.settings)
        return (*whole.findings, *named, *shared)

    def _in_containers(self, candidates: Mapping[str, Candidate]) -> bool:
        return any(one.containers.components for one in candidates.values())

    def _containers(
        self, candidates: Mapping[str, Candidate], shares: Mapping[str, int], *, may_start: bool
    ) -> tuple[Raw, ...]:
        """The objects of all revisions that can be served. The Services that KServe's users know
        lead to the one with most of the traffic."""
        usable = {n: one.containers for n, one in candidates.items() if not one.compiled.errors}
        main = max((n for n in shares if n in usable), key=lambda n: shares[n], default="")
        return wanted_objects(
            usable.values(),
            usable.get(main),
            known=self.world.containers,
            may_start=may_start,
        )

    def _applications(
        self,
        target: Mapping[str, Any] | None,
        configs: Sequence[Mapping[str, Any]],
        tags: Sequence[Mapping[str, Any]],
    ) -> tuple[dict[str, Any], ...]:
        if target is None:  # nothing can be deployed: what answers goes on
            return tuple(as_config(app, app.route) for app in self.observed.values())
        if not self.world.reachable:
            return ()
        wanted, linger = (*configs, *tags), self.settings.linger_s
        return routed(
            self.world,
            self.observed,
            wanted,
            target,
            self.route,
            linger,
            early=self.settings.target == "kuberay",
        ).applications

    def _candidates(self, rollout: Rollout) -> tuple[dict[str, Candidate], dict[str, Candidate]]:
        """The revisions and the variants that are to run."""
        names = [rollout.latest]
        if rollout.rolled_out is not None and rollout.rolled_out.name != rollout.latest.name:
            names.append(rollout.rolled_out)
        revisions = {one.name: self._candidate(one.name, one.content) for one in names}
        variants = {
            name: self._candidate(name, variant(rollout.latest.content, predictor))
            for name, predictor, _ in canaries(self.raw)
        }
        return revisions, variants

    def _candidate(self, name: str, content: Raw) -> Candidate:
        env: dict[str, str] = {}
        containers = containers_of(self.world, self.raw, content, self.settings)
        if self.settings.target == "ray":  # pods of its own get theirs by reference
            spec = containers.left_to_ray(content.get("spec") or {})
            secret = secret_variables(self.world, self.key.namespace, spec)
            env = replica_variables(self.world, self.key, plain_variables(spec), secret)
        documents = [document(self.key, content), *self._common()]
        made = compiled(self.key, documents, self.route, env, containers.addresses)
        if made.config is None:
            kept = [a for a in self.observed.values() if a.owner.revision == name]
            config = as_config(kept[0], None) if kept else None
        else:
            config = application(
                made.config,
                operator=self.settings.name,
                key=self.key,
                revision=name,
                route=None,
            )
        app = self.observed.get(str(config["name"])) if config else None
        seen = behind(app, containers.states)
        return Candidate(name, content, made, config, seen, containers)

    def _common(self) -> list[Raw]:
        """What a service is read with: the runtimes it may use, and its trained models."""
        return [*self.world.runtimes_near(self.key.namespace), *map(bare, self.models)]

    def _shares(
        self,
        rollout: Rollout,
        revisions: Mapping[str, Candidate],
        variants: Mapping[str, Candidate],
    ) -> dict[str, int]:
        running = [name for name, one in revisions.items() if one.runs]
        if not variants:
            return rollout.shares(running)
        percents = {name: percent for name, _, percent in canaries(self.raw)}
        live = {n: percents[n] for n, one in variants.items() if one.runs and percents[n]}
        stable = max(0, 100 - sum(live.values()))
        base = Rollout(rollout.latest, rollout.rolled_out, rollout.previous, None)
        (main,) = base.shares(running)
        if main not in running and live:
            live, stable = {}, 100  # the stable predictor is not up: no canary can be measured
        return {**({main: stable} if stable else {}), **live}

    def _target(
        self, shares: Mapping[str, int], candidates: Mapping[str, Candidate]
    ) -> Mapping[str, Any] | None:
        configs = {name: candidates[name].config for name in shares}
        usable = {name: config for name, config in configs.items() if config is not None}
        if not usable:
            others = [c.config for c in candidates.values() if c.config is not None and c.runs]
            return others[0] if others else None
        if len(usable) == 1:
            return next(iter(usable.values()))
        by_application: dict[str, int] = {}
        for name, config in usable.items():
            app = str(config["name"])
            by_application[app] = by_application.get(app, 0) + shares[name]
        if len(by_application) == 1:
            return next(iter(usable.values()))
        return front(
            by_application,
            operator=self.settings.name,
            key=self.key,
            path=self.route,
            target=self.route,
            route=None,
        )

    def _tags(
        self, rollout: Rollout, revisions: Mapping[str, Candidate]
    ) -> list[Mapping[str, Any]]:
        """Fronts that give a revision a path of its own: ``latest-NAME`` and ``prev-NAME``."""
        if str(noted(self.raw).get(TAG_ROUTING, "")).lower() != "true":
            return []
        made: list[Mapping[str, Any]] = []
        tagged = {"latest": rollout.latest.name}
        if rollout.is_canary and rollout.rolled_out is not None:
            tagged["prev"] = rollout.rolled_out.name
        for tag, revision in tagged.items():
            one = revisions[revision]
            if one.config is not None and one.runs:
                path = self.settings.route(self.key.namespace, f"{tag}-{self.key.name}")
                made.append(
                    front(
                        {str(one.config["name"]): 100},
                        operator=self.settings.name,
                        key=self.key,
                        path=path,
                        target=self.route,
                        route=path,
                    )
                )
        return made

    def _surplus(self, rollout: Rollout, known: Sequence[Revision]) -> tuple[Raw, ...]:
        used = {one.name for one in (rollout.latest, rollout.rolled_out, rollout.previous) if one}
        idle = [one for one in known if one.name not in used]
        extra = {one.name for one in idle[: max(0, len(idle) - self.settings.history)]}
        uid = self.raw["metadata"].get("uid")
        return tuple(
            one
            for one in self.world.revisions_of(self.raw)
            if one["metadata"]["name"] in extra
            and one["metadata"].get("namespace") == self.key.namespace
            and any(o.get("uid") == uid for o in one["metadata"].get("ownerReferences") or ())
        )
