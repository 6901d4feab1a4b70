"""Target ``kuberay``: a RayService for each resource, and what belongs to it."""

from __future__ import annotations

import copy
import dataclasses
import logging
from collections.abc import Iterable, Mapping
from typing import Any

from umbel.graph.errors import UmbelError
from umbel.k8s.manifests import (
    RenderOptions,
    Workload,
    objects_of,
    own_config,
    workload_of,
)
from umbel.k8s.operator import kinds
from umbel.k8s.operator.api_errors import Refused
from umbel.k8s.operator.cluster import Cluster
from umbel.k8s.operator.desired import Desired
from umbel.k8s.operator.outcome import Outcome
from umbel.k8s.operator.owned_objects import Name, OwnedObjects, marked
from umbel.k8s.operator.ownership import is_left_of
from umbel.k8s.operator.pod_trouble import CLUSTER, PodReader, Trouble
from umbel.k8s.operator.ray_serve import owned
from umbel.k8s.operator.ray_service_applications import applications_of
from umbel.k8s.operator.ray_service_status import cluster_of
from umbel.k8s.operator.reading import loaded
from umbel.k8s.operator.settings import OperatorSettings
from umbel.k8s.operator.world import (
    Raw,
    ServeApplication,
    World,
    is_going,
    is_stopped,
)

log = logging.getLogger("umbel.operator")

SELECTOR = "app.kubernetes.io/managed-by=umbel"


class KubeRay:
    """The objects of all resources."""

    def __init__(
        self, cluster: Cluster, settings: OperatorSettings, options: RenderOptions
    ) -> None:
        self._cluster, self._settings, self._options = cluster, settings, options
        self._objects = OwnedObjects(
            cluster, settings.namespaces, kinds.MADE, SELECTOR, self._is_service_left
        )
        self._missing: frozenset[str] = frozenset()
        self._pods = PodReader(cluster, settings.namespaces, CLUSTER)

    async def read(self) -> dict[str, ServeApplication]:
        """The applications of all RayServices, and as ``REFUSED`` those that are in none."""
        await self._objects.read()
        self._note_missing()
        services = self._objects.of(kinds.RAY_SERVICE)
        found = [(one, applications_of(one, self._settings)) for one in services]
        applications: dict[str, ServeApplication] = {}
        for one in await self._explained(found):
            applications.update(one)
        for outcome, message in self._objects.refused.values():
            for app in outcome.applications:
                applications.setdefault(str(app["name"]), self._refused(app, message))
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
        return await self._objects.each(desired.outcomes, lambda one: self._one(world, one))

    async def _one(self, world: World, outcome: Outcome) -> int:
        if is_going(outcome.raw):
            return 0  # the garbage collector sees to it
        objects = self._made(world, outcome)
        if objects is None:
            return 0
        if objects and kinds.RAY_SERVICE.name in self._missing:
            raise Refused(404, "the cluster has no RayService: install KubeRay")

        def stays(name: Name) -> bool:
            """The cluster that still serves makes its pods with its account."""
            return bool(objects) and name[0] == kinds.ACCOUNT.name

        present = [one for one in objects if one["kind"] not in self._missing]
        return await self._objects.settle(outcome.raw, present, stays)

    async def _is_service_left(self, made: Raw) -> bool:
        """The Service that KubeRay would make has to be free as well."""
        serving = (made.get("spec") or {}).get("serveService")
        if made["kind"] != kinds.RAY_SERVICE.name or not serving:
            return False
        namespace, name = made["metadata"]["namespace"], serving["metadata"]["name"]
        there = await self._cluster.get(kinds.CORE_SERVICE, namespace, name)
        return is_left_of(there, kinds.CORE_SERVICE, made)

    def _note_missing(self) -> None:
        """Which kinds the cluster does not know, as of the last listing."""
        missing = frozenset(one.name for one in kinds.MADE if one in self._cluster.unknown)
        for name in sorted(missing - self._missing):
            log.warning("the cluster has no %s: those are left out", name)
        self._missing = missing

    def _refused(self, app: Mapping[str, Any], message: str) -> ServeApplication:
        details = {
            "status": "REFUSED",
            "message": message,
            "deployed_app_config": {**app, "route_prefix": None},
        }
        found = owned(str(app["name"]), details, self._settings)
        if found is None:
            raise AssertionError(f"{app['name']} is of another operator")
        return found

    def _made(self, world: World, outcome: Outcome) -> list[dict[str, Any]] | None:
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
            made = marked(one)
            made["metadata"].setdefault("namespace", outcome.key.namespace)
            found.append(made)
        return found

    def _workload(self, world: World, raw: Raw) -> Workload | None:
        namespace = raw["metadata"]["namespace"]
        whole = loaded(raw, *world.beside(namespace))
        resources = (*whole.inference_services, *whole.inference_graphs)
        (resource,) = [one for one in resources if one.name == raw["metadata"]["name"]]
        return workload_of(resource, whole, self._options)


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
