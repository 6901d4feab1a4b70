"""Target ``kuberay``: a RayService for each resource, and what belongs to it.

Every object is the resource's own (``ownerReferences``) and goes with it. They are applied
server-side, and only where something changed: each carries a digest of what was applied.
"""

from __future__ import annotations

import asyncio
import copy
import dataclasses
import logging
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from umbel.graph.errors import UmbelError
from umbel.k8s.manifests import (
    RenderOptions,
    Workload,
    objects_of,
    own_config,
    workload_of,
)
from umbel.k8s.operator import kinds
from umbel.k8s.operator.api_errors import ClusterUnavailable, Conflict, Refused
from umbel.k8s.operator.cluster import Cluster
from umbel.k8s.operator.desired import Desired
from umbel.k8s.operator.outcome import Outcome
from umbel.k8s.operator.ownership import belongs, is_left_of
from umbel.k8s.operator.pod_trouble import PodReader, Trouble
from umbel.k8s.operator.ray_serve import owned
from umbel.k8s.operator.ray_service_applications import applications_of
from umbel.k8s.operator.ray_service_status import cluster_of
from umbel.k8s.operator.reading import loaded
from umbel.k8s.operator.revisions import digest_of
from umbel.k8s.operator.settings import OperatorSettings
from umbel.k8s.operator.target import Overtaken
from umbel.k8s.operator.world import (
    Key,
    Raw,
    ServeApplication,
    World,
    is_going,
    is_stopped,
)

log = logging.getLogger("umbel.operator")

APPLIED = "umbel.dev/applied"
SELECTOR = "app.kubernetes.io/managed-by=umbel"

AT_ONCE = 16


class Refusal(NamedTuple):
    """A resource's objects that the cluster does not take: the applications they were to hold,
    and why not."""

    applications: tuple[Mapping[str, Any], ...]
    message: str


class KubeRay:
    """The objects of all resources."""

    def __init__(
        self, cluster: Cluster, settings: OperatorSettings, options: RenderOptions
    ) -> None:
        self._cluster, self._settings, self._options = cluster, settings, options
        self._live: dict[tuple[str, str, str], Raw] = {}
        self._missing: frozenset[str] = frozenset()
        self._refused: dict[Key, Refusal] = {}
        self._pods = PodReader(cluster, settings.namespaces)

    async def read(self) -> dict[str, ServeApplication]:
        """The applications of all RayServices, and as ``REFUSED`` those that are in none."""
        lists = await asyncio.gather(
            *(
                self._cluster.listing(kind, self._settings.namespaces, SELECTOR)
                for kind in kinds.MADE
            )
        )
        self._live = {
            (raw["kind"], raw["metadata"]["namespace"], raw["metadata"]["name"]): raw
            for found in lists
            for raw in found
        }
        self._note_missing()
        services = [one for one in self._live.values() if one["kind"] == kinds.RAY_SERVICE.name]
        found = [(one, applications_of(one, self._settings)) for one in services]
        applications: dict[str, ServeApplication] = {}
        for one in await self._explained(found):
            applications.update(one)
        for refusal in self._refused.values():
            for app in refusal.applications:
                applications.setdefault(str(app["name"]), self._refused_application(app, refusal))
        return applications

    async def _explained(
        self, found: Iterable[tuple[Raw, dict[str, ServeApplication]]]
    ) -> list[dict[str, ServeApplication]]:
        """With what the pods say, where something does not come up: not asked for otherwise."""
        given = list(found)
        if not any(_waits(app) for _, apps in given for app in apps.values()):
            return [apps for _, apps in given]
        troubles = await self._pods.troubles()
        told = []
        for raw, apps in given:
            one = troubles.get((raw["metadata"]["namespace"], cluster_of(raw)))
            told.append({n: _with(app, one) for n, app in apps.items()} if one else apps)
        return told

    async def make_so(self, world: World, desired: Desired) -> int:
        """Apply what changed and delete what is no longer wanted."""
        slots = asyncio.Semaphore(AT_ONCE)
        overtaken: list[Key] = []
        down: list[ClusterUnavailable] = []

        async def one(outcome: Outcome) -> int:
            async with slots:
                if any(error.for_all for error in down):
                    return 0
                try:
                    writes = await self._one(world, outcome)
                except ClusterUnavailable as error:
                    down.append(error)
                    return 0
                except Conflict:
                    overtaken.append(outcome.key)
                    return 0
                except Refused as error:
                    if self._refused.get(outcome.key, _NOT)[1] != str(error):
                        log.warning("%s: %s", outcome.key, error)
                    self._refused[outcome.key] = Refusal(outcome.applications, str(error))
                    return 0
                self._refused.pop(outcome.key, None)
                return writes

        keys = {outcome.key for outcome in desired.outcomes}
        self._refused = {key: one for key, one in self._refused.items() if key in keys}
        writes = sum(await asyncio.gather(*(one(outcome) for outcome in desired.outcomes)))
        if down:
            raise down[0]
        if overtaken:
            raise Overtaken(f"objects of {overtaken[0]} have just been changed by another")
        return writes

    async def _one(self, world: World, outcome: Outcome) -> int:
        if is_going(outcome.raw):
            return 0  # the garbage collector sees to it
        objects = self._objects(world, outcome)
        if objects is None:
            return 0
        if objects and kinds.RAY_SERVICE.name in self._missing:
            raise Refused(404, "the cluster has no RayService: install KubeRay")
        writes, wanted = 0, set()
        changed = []
        for made in objects:
            key = (made["kind"], made["metadata"]["namespace"], made["metadata"]["name"])
            wanted.add(key)
            known = self._live.get(key)
            digest = made["metadata"]["annotations"][APPLIED]
            there = (known or {}).get("metadata", {}).get("annotations") or {}
            if made["kind"] in self._missing:
                continue
            if there.get(APPLIED) != digest or not belongs(known, outcome.raw):
                changed.append((_KINDS[made["kind"]], made, known))
        for kind, made, known in changed:  # all of them before any is written
            if await self._is_another_s(kind, made, known, outcome.raw):
                return 0  # of a resource of this name that is gone: it goes, too
        for kind, made, known in changed:
            await self._cluster.apply(kind, made, known)
            writes += 1
        return writes + await self._remove_all_but(wanted, outcome)

    async def _is_another_s(
        self, kind: kinds.Kind, made: Raw, known: Raw | None, owner: Raw
    ) -> bool:
        """True where an object of the name is there that belonged to an earlier resource of the
        owner's name. Raises ``Refused`` where it is somebody else's: an apply would take it
        over, and it would go with the resource. So would the Service that KubeRay makes."""
        if known is None:
            there = await self._get(kind, made, made["metadata"]["name"])
            serving = (made.get("spec") or {}).get("serveService")
            if there is None and kind is kinds.RAY_SERVICE and serving:
                service = await self._get(_KINDS["Service"], made, serving["metadata"]["name"])
                return is_left_of(service, _KINDS["Service"], made)
            known = there
        return not belongs(known, owner) and is_left_of(known, kind, owner)

    async def _get(self, kind: kinds.Kind, near: Raw, name: str) -> Raw | None:
        return await self._cluster.get(kind, near["metadata"]["namespace"], name)

    def _note_missing(self) -> None:
        """Which kinds the cluster does not know, as of the last listing."""
        missing = frozenset(one.name for one in kinds.MADE if one in self._cluster.unknown)
        for name in sorted(missing - self._missing):
            log.warning("the cluster has no %s: those are left out", name)
        self._missing = missing

    def _refused_application(self, app: Mapping[str, Any], refusal: Refusal) -> ServeApplication:
        details = {
            "status": "REFUSED",
            "message": refusal.message,
            "deployed_app_config": {**app, "route_prefix": None},
        }
        found = owned(str(app["name"]), details, self._settings)
        if found is None:
            raise AssertionError(f"{app['name']} is of another operator")
        return found

    async def _remove_all_but(
        self, wanted: Iterable[tuple[str, str, str]], outcome: Outcome
    ) -> int:
        uid, keep, writes = outcome.raw["metadata"]["uid"], set(wanted), 0
        for key, raw in self._live.items():
            owners = raw["metadata"].get("ownerReferences") or ()
            if keep and key[0] == "ServiceAccount":
                continue  # the cluster that still serves makes its pods with it
            if key not in keep and any(owner.get("uid") == uid for owner in owners):
                await self._cluster.delete(_KINDS[key[0]], raw)
                writes += 1
        return writes

    def _objects(self, world: World, outcome: Outcome) -> list[dict[str, Any]] | None:
        """None where the resource has an error: what runs, stays."""
        if is_stopped(outcome.raw):
            return []
        if not outcome.applications:
            return None
        try:
            workload = self._workload(world, outcome.raw)
        except UmbelError:
            return None
        if workload is None:
            return None
        config = _with_applications(own_config(workload), outcome.applications, workload)
        found = []
        for one in objects_of(workload, self._options, config):
            made = copy.deepcopy(one)
            made["metadata"].setdefault("namespace", outcome.key.namespace)
            notes = made["metadata"].setdefault("annotations", {})
            notes[APPLIED] = digest_of(one)
            found.append(made)
        return found

    def _workload(self, world: World, raw: Raw) -> Workload | None:
        namespace = raw["metadata"]["namespace"]
        near = [
            *(one for (where, _), one in world.accounts.items() if where == namespace),
            *(one for (where, _), one in world.secrets.items() if where == namespace),
            *(
                one
                for one in world.runtimes
                if one["metadata"].get("namespace", "") in ("", namespace)
            ),
        ]
        whole = loaded(raw, *near)
        resources = (*whole.inference_services, *whole.inference_graphs)
        (resource,) = [one for one in resources if one.name == raw["metadata"]["name"]]
        return workload_of(resource, whole, self._options)


_KINDS = {one.name: one for one in kinds.MADE}
_NOT = Refusal((), "")


def _waits(app: ServeApplication) -> bool:
    return app.replaced or not (app.runs or app.failed)


def _with(app: ServeApplication, trouble: Trouble) -> ServeApplication:
    if not _waits(app):
        return app
    return dataclasses.replace(app, reason=trouble.reason, message=trouble.message)


def _with_applications(
    config: Mapping[str, Any], applications: Iterable[Mapping[str, Any]], workload: Workload
) -> dict[str, Any]:
    """The workload's Serve configuration with a rollout's applications in place of its own. As
    there, a replica takes the CPUs of a pod."""
    cpus = workload.groups()[0].cpus
    made = []
    for app in applications:
        one = copy.deepcopy(dict(app))
        if one.get("deployments"):
            one["deployments"][0]["ray_actor_options"] = {"num_cpus": cpus}
        made.append(one)
    return {**config, "applications": made}
