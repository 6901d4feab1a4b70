"""Reads and writes the objects of containers, whatever the target: the operator has the
Kubernetes API in both.

They are applied server-side, and only where something changed: each carries a digest of what was
applied. They are owned by their resource and go with it.
"""

from __future__ import annotations

import asyncio
import copy
import logging
from collections.abc import Iterable, Mapping

from umbel.k8s.manifests.containers import MANAGED
from umbel.k8s.operator import kinds, pod_trouble
from umbel.k8s.operator.api_errors import Refused
from umbel.k8s.operator.cluster import Cluster
from umbel.k8s.operator.container_states import REFUSED, ContainerState, state_of
from umbel.k8s.operator.outcome import Outcome
from umbel.k8s.operator.ownership import belongs, is_left_of
from umbel.k8s.operator.revisions import digest_of
from umbel.k8s.operator.settings import OperatorSettings
from umbel.k8s.operator.world import Key, Raw, is_going

log = logging.getLogger("umbel.operator")

APPLIED = "umbel.dev/applied"
SELECTOR = ",".join(f"{name}={value}" for name, value in MANAGED.items())

APP = "app"
_POD = "isvc."

_Name = tuple[str, str, str]


class ContainerObjects:
    """The objects of all services' containers."""

    def __init__(self, cluster: Cluster, settings: OperatorSettings) -> None:
        self._cluster, self._settings = cluster, settings
        self._live: dict[_Name, Raw] = {}
        self._refused: dict[Key, tuple[frozenset[str], str]] = {}
        self._denied = ""

    async def read(self) -> Mapping[tuple[str, str], ContainerState]:
        """How every Deployment is, by namespace and name."""
        try:
            lists = await asyncio.gather(*(self._listing(kind) for kind in kinds.CONTAINERS))
        except Refused as error:
            if error.code != 403:
                raise
            if str(error) != self._denied:
                log.warning("no containers are run: %s", error)
            self._denied, self._live = str(error), {}
            return {}
        self._denied = ""
        self._live = {_name_of(raw): raw for found in lists for raw in found}
        deployments = [raw for raw in self._live.values() if raw["kind"] == kinds.DEPLOYMENT.name]
        troubles = await self._troubles(deployments)
        found = {}
        for raw in deployments:
            where = (raw["metadata"]["namespace"], raw["metadata"]["name"])
            found[where] = state_of(raw, troubles.get(where))
        return {**found, **self._refusals()}

    async def make_so(self, outcomes: Iterable[Outcome]) -> int:
        """Apply what changed and delete what nobody wants; how many writes that took."""
        given = list(outcomes)
        keys = {one.key for one in given}
        self._refused = {key: one for key, one in self._refused.items() if key in keys}
        writes = 0
        for outcome in given:
            if is_going(outcome.raw) or outcome.key.kind != kinds.SERVICE.name or self._denied:
                continue  # the garbage collector sees to what is owned
            try:
                writes += await self._one(outcome)
                self._refused.pop(outcome.key, None)
            except Refused as error:
                if self._refused.get(outcome.key, (None, ""))[1] != str(error):
                    log.warning("%s: %s", outcome.key, error)
                names = frozenset(str(one["metadata"]["name"]) for one in outcome.containers)
                self._refused[outcome.key] = (names, str(error))
        return writes

    async def _one(self, outcome: Outcome) -> int:
        wanted, changed = set[_Name](), []
        for made in outcome.containers:
            name, known = _name_of(made), self._live.get(_name_of(made))
            wanted.add(name)
            digest = digest_of(made)
            notes = (known or {}).get("metadata", {}).get("annotations") or {}
            if notes.get(APPLIED) != digest or not belongs(known, outcome.raw):
                changed.append((_KINDS[made["kind"]], _marked(made, digest), known))
        writes = 0
        for kind, made, known in changed:  # all of them before any is written
            there = known or await self._cluster.get(kind, *_name_of(made)[1:])
            if not belongs(there, outcome.raw) and is_left_of(there, kind, outcome.raw):
                return 0  # of a resource of this name that is gone: it goes, too
        for kind, made, _ in changed:
            await self._cluster.apply(kind, made)
            writes += 1
        for name, raw in self._live.items():
            kept = any(one in str(name[2]) for one in outcome.containers_called)
            if name not in wanted and not kept and belongs(raw, outcome.raw):
                await self._cluster.delete(_KINDS[name[0]], raw)
                writes += 1
        return writes

    async def _listing(self, kind: kinds.Kind) -> list[Raw]:
        return await self._cluster.listing(kind, self._settings.namespaces, SELECTOR)

    async def _troubles(
        self, deployments: Iterable[Raw]
    ) -> dict[tuple[str, str], pod_trouble.Trouble]:
        """Why pods do not come up, where a Deployment is not ready."""
        if all(state_of(one, None).ready for one in deployments):
            return {}
        try:
            pods = await self._cluster.listing(kinds.POD, self._settings.namespaces, APP)
        except Refused as error:
            log.debug("why pods do not start is not told: %s", error)
            return {}
        found = pod_trouble.troubles(pods, APP)
        return {
            (namespace, name.removeprefix(_POD)): one for (namespace, name), one in found.items()
        }

    def _refusals(self) -> dict[tuple[str, str], ContainerState]:
        return {
            (key.namespace, name): ContainerState(False, True, REFUSED, message)
            for key, (names, message) in self._refused.items()
            for name in names
        }


_KINDS = {one.name: one for one in kinds.CONTAINERS}


def _name_of(raw: Raw) -> _Name:
    return raw["kind"], raw["metadata"]["namespace"], raw["metadata"]["name"]


def _marked(made: Raw, digest: str) -> Raw:
    whole = copy.deepcopy(dict(made))
    whole["metadata"].setdefault("annotations", {})[APPLIED] = digest
    return whole
