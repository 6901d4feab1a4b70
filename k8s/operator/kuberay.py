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
from typing import Any

import yaml

from umbel.graph.errors import UmbelError
from umbel.k8s.manifests import (
    RenderOptions,
    Workload,
    objects_of,
    own_config,
    workload_of,
)
from umbel.k8s.operator import kinds
from umbel.k8s.operator.cluster import Cluster, Refused
from umbel.k8s.operator.compiling import BUILDER
from umbel.k8s.operator.desired import Desired
from umbel.k8s.operator.outcome import Outcome
from umbel.k8s.operator.ray_serve import owned
from umbel.k8s.operator.reading import loaded
from umbel.k8s.operator.revisions import digest_of
from umbel.k8s.operator.settings import OperatorSettings
from umbel.k8s.operator.world import Raw, ServeApplication, World, is_going, is_stopped

log = logging.getLogger("umbel.operator")

APPLIED = "umbel.dev/applied"
SELECTOR = "app.kubernetes.io/managed-by=umbel"

AT_ONCE = 16


class KubeRay:
    """The objects of all resources."""

    def __init__(
        self, cluster: Cluster, settings: OperatorSettings, options: RenderOptions
    ) -> None:
        self._cluster, self._settings, self._options = cluster, settings, options
        self._live: dict[tuple[str, str, str], Raw] = {}
        self._missing: set[str] = set()

    async def read(self) -> dict[str, ServeApplication]:
        """The applications of all RayServices."""
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
        applications: dict[str, ServeApplication] = {}
        for raw in self._live.values():
            if raw["kind"] == kinds.RAY_SERVICE.name:
                applications.update(self._applications(raw))
        return applications

    async def make_so(self, world: World, desired: Desired) -> int:
        """Apply what changed and delete what is no longer wanted."""
        slots = asyncio.Semaphore(AT_ONCE)

        async def one(outcome: Outcome) -> int:
            async with slots:
                return await self._one(world, outcome)

        return sum(await asyncio.gather(*(one(outcome) for outcome in desired.outcomes)))

    async def _one(self, world: World, outcome: Outcome) -> int:
        if is_going(outcome.raw):
            return 0  # the garbage collector sees to it
        objects = self._objects(world, outcome)
        if objects is None:
            return 0
        writes, wanted = 0, set()
        for made in objects:
            key = (made["kind"], made["metadata"]["namespace"], made["metadata"]["name"])
            wanted.add(key)
            known = self._live.get(key)
            digest = made["metadata"]["annotations"][APPLIED]
            there = (known or {}).get("metadata", {}).get("annotations") or {}
            if there.get(APPLIED) == digest or made["kind"] in self._missing:
                continue
            writes += await self._apply(made)
        return writes + await self._remove_all_but(wanted, outcome)

    async def _apply(self, made: Raw) -> int:
        kind = next(one for one in kinds.MADE if one.name == made["kind"])
        try:
            await self._cluster.apply(kind, made)
        except Refused as error:
            if error.code != 404:
                log.warning("%s", error)
                return 0
            self._missing.add(kind.name)
            log.warning("the cluster has no %s: those are left out", kind.name)
            return 0
        return 1

    async def _remove_all_but(
        self, wanted: Iterable[tuple[str, str, str]], outcome: Outcome
    ) -> int:
        uid, keep, writes = outcome.raw["metadata"]["uid"], set(wanted), 0
        for key, raw in self._live.items():
            owners = raw["metadata"].get("ownerReferences") or ()
            if key not in keep and any(owner.get("uid") == uid for owner in owners):
                kind = next(one for one in kinds.MADE if one.name == key[0])
                await self._cluster.delete(kind, raw)
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

    def _applications(self, raw: Raw) -> dict[str, ServeApplication]:
        try:
            config = yaml.load(raw["spec"]["serveConfigV2"], Loader=_LOADER)  # noqa: S506
        except (KeyError, yaml.YAMLError):
            return {}
        active = (raw.get("status") or {}).get("activeServiceStatus") or {}
        states = active.get("applicationStatuses") or {}
        found = {}
        for one in config.get("applications") or ():
            if one.get("import_path") != BUILDER:
                continue
            state = states.get(one["name"]) or {}
            parts = state.get("serveDeploymentStatuses") or {}
            details = {
                "status": state.get("status", "NOT_STARTED"),
                "message": state.get("message", ""),
                "deployed_app_config": one,
                "deployments": {
                    name: {"message": part.get("message", "")} for name, part in parts.items()
                },
            }
            app = owned(one["name"], details, self._settings)
            if app is not None:
                found[app.name] = dataclasses.replace(app, replicas=_copies(raw, active))
        return found


def _copies(raw: Raw, active: Mapping[str, Any]) -> int:
    """Replicas of the graph: one a worker pod. Of several groups only the total is known."""
    groups = raw["spec"].get("rayClusterConfig", {}).get("workerGroupSpecs") or ()
    pods = int((active.get("rayClusterStatus") or {}).get("availableWorkerReplicas") or 0)
    return pods if len(groups) == 1 else min(pods, 1)


_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


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
