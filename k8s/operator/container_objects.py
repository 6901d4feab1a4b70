"""Reads and writes the objects of containers, whatever the target: the operator has the
Kubernetes API in both."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping

from umbel.k8s.manifests.containers import MANAGED
from umbel.k8s.operator import kinds
from umbel.k8s.operator.api_errors import Refused
from umbel.k8s.operator.cluster import Cluster
from umbel.k8s.operator.container_states import REFUSED, ContainerState, state_of
from umbel.k8s.operator.outcome import Outcome
from umbel.k8s.operator.owned_objects import Name, OwnedObjects, marked
from umbel.k8s.operator.pod_trouble import PodReader
from umbel.k8s.operator.settings import OperatorSettings
from umbel.k8s.operator.world import is_going

log = logging.getLogger("umbel.operator")

SELECTOR = ",".join(f"{name}={value}" for name, value in MANAGED.items())

APP = "app"
_POD = "isvc."


class ContainerObjects:
    """The objects of all services' containers."""

    def __init__(self, cluster: Cluster, settings: OperatorSettings) -> None:
        self._objects = OwnedObjects(cluster, settings.namespaces, kinds.CONTAINERS, SELECTOR)
        self._pods = PodReader(cluster, settings.namespaces, APP)
        self._denied = ""

    async def read(self) -> Mapping[tuple[str, str], ContainerState]:
        """How every Deployment is, by namespace and name."""
        try:
            await self._objects.read()
        except Refused as error:
            if error.code != 403:
                raise
            if str(error) != self._denied:
                log.warning("no containers are run: %s", error)
            self._denied = str(error)
            return {}
        self._denied = ""
        states = {
            (raw["metadata"]["namespace"], raw["metadata"]["name"]): (raw, state_of(raw, None))
            for raw in self._objects.of(kinds.DEPLOYMENT)
        }
        waits = any(not state.ready for _, state in states.values())
        troubles = await self._pods.troubles() if waits else {}
        found = {
            (space, name): state_of(raw, trouble)
            if (trouble := troubles.get((space, _POD + name)))
            else state
            for (space, name), (raw, state) in states.items()
        }
        return {**found, **self._refusals()}

    async def make_so(self, outcomes: Iterable[Outcome]) -> int:
        """Apply what changed and delete what nobody wants; how many writes that took. Raises
        ``Overtaken``."""
        services = (one for one in outcomes if one.key.kind == kinds.SERVICE.name)
        return await self._objects.each(services, self._one)

    async def _one(self, outcome: Outcome) -> int:
        if is_going(outcome.raw) or self._denied:
            return 0  # the garbage collector sees to what is owned

        def stays(name: Name) -> bool:
            return any(one in name[2] for one in outcome.containers_called)

        return await self._objects.settle(outcome.raw, map(marked, outcome.containers), stays)

    def _refusals(self) -> dict[tuple[str, str], ContainerState]:
        return {
            (key.namespace, str(one["metadata"]["name"])): ContainerState(
                False, True, REFUSED, message
            )
            for key, (outcome, message) in self._objects.refused.items()
            for one in outcome.containers
        }
