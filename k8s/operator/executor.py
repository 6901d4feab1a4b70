"""Makes it so: the writes between what is and what ought to be, in an order that is safe to cut
anywhere.

The finalizer comes before the first application and goes after the last; a revision is recorded
before it is deployed; a status says only what was seen before this pass wrote anything.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import Any

from umbel.k8s.operator import kinds
from umbel.k8s.operator.api_errors import ClusterUnavailable, Refused
from umbel.k8s.operator.cluster import Cluster, merge_patch
from umbel.k8s.operator.container_objects import ContainerObjects
from umbel.k8s.operator.desired import Desired
from umbel.k8s.operator.outcome import Notice, Outcome
from umbel.k8s.operator.revisions import digest_of
from umbel.k8s.operator.settings import FINALIZER, MANAGER
from umbel.k8s.operator.target import Overtaken, Serving
from umbel.k8s.operator.world import Key, Raw, World

log = logging.getLogger("umbel.operator")

AT_ONCE = 16
"""Resources that are written to at the same time."""


class Executor:
    """Writes. ``writes`` counts those of its lifetime. It remembers the last status it wrote
    for each resource, since an API server may leave out what its CRD does not know."""

    def __init__(
        self, cluster: Cluster, serving: Serving, containers: ContainerObjects | None = None
    ) -> None:
        self._cluster, self._serving, self._containers = cluster, serving, containers
        self._written: dict[Key, tuple[Any, Any]] = {}
        self._now = ""
        self._down: ClusterUnavailable | None = None
        self.writes = 0

    async def make_so(self, world: World, desired: Desired) -> bool:
        """One pass. True if it wrote anything or met a conflict: look again."""
        before, self._now, self._down = self.writes, world.now, None
        failed = await self._each(desired.outcomes, self._prepare)
        usable = desired.leaving(failed, world)
        try:
            if self._containers is not None:
                self.writes += await self._containers.make_so(usable.outcomes)
            self.writes += await self._serving.make_so(world, usable)
        except Overtaken as error:
            log.info("%s: looking again", error)
            return True
        failed |= await self._each(desired.outcomes, self._conclude)
        keys = {outcome.key for outcome in desired.outcomes}
        self._written = {key: known for key, known in self._written.items() if key in keys}
        if self._down is not None:
            raise self._down
        return bool(failed) or self.writes > before

    async def _each(
        self, outcomes: Iterable[Outcome], work: Callable[[Outcome], Awaitable[None]]
    ) -> set[Key]:
        """Whose writes failed: the others go on, unless the API server is gone for all."""
        slots = asyncio.Semaphore(AT_ONCE)
        failed: set[Key] = set()

        async def tried(outcome: Outcome) -> None:
            async with slots:
                if self._down is not None and self._down.for_all:
                    failed.add(outcome.key)
                    return
                try:
                    await work(outcome)
                except Refused as error:
                    level = logging.DEBUG if error.code in (404, 409) else logging.WARNING
                    log.log(level, "%s: %s", outcome.key, error)
                    failed.add(outcome.key)
                except ClusterUnavailable as error:
                    self._down = self._down or error
                    failed.add(outcome.key)

        await asyncio.gather(*(tried(outcome) for outcome in outcomes))
        return failed

    async def _prepare(self, outcome: Outcome) -> None:
        if outcome.held and not _deleted(outcome.raw):
            await self._finalizer(outcome, present=True)
        for revision in outcome.create:
            self.writes += 1
            await self._cluster.create(kinds.REVISION, revision)

    async def _conclude(self, outcome: Outcome) -> None:
        if outcome.status is not None:
            await self._status(outcome, outcome.status)
        if not outcome.held and outcome.raw["metadata"].get("finalizers"):
            await self._finalizer(outcome, present=False)
        for revision in outcome.delete:
            self.writes += 1
            await self._cluster.delete(kinds.REVISION, revision)

    async def _finalizer(self, outcome: Outcome, *, present: bool) -> None:
        known = list(outcome.raw["metadata"].get("finalizers") or ())
        if (FINALIZER in known) == present:
            return
        kept = [*known, FINALIZER] if present else [one for one in known if one != FINALIZER]
        kind = kinds.BY_NAME[outcome.key.kind]
        self.writes += 1
        change = {"metadata": {"finalizers": kept}}
        made = await self._cluster.patch(kind, outcome.raw, change)
        _renew(outcome.raw, made)

    async def _status(self, outcome: Outcome, wanted: Mapping[str, Any]) -> None:
        live = outcome.raw.get("status") or {}
        if live == wanted or self._written.get(outcome.key) == (wanted, live):
            return
        kind = kinds.BY_NAME[outcome.key.kind]
        change = {"status": merge_patch(live, wanted)}
        self.writes += 1
        made = await self._cluster.patch(kind, outcome.raw, change, "status")
        _renew(outcome.raw, made)
        self._written[outcome.key] = (wanted, made.get("status") or {})
        for notice in outcome.notices:
            await self._event(outcome.raw, notice)

    async def _event(self, raw: Raw, notice: Notice) -> None:
        """Events are for people: one that the server refuses is not worth failing for."""
        time = self._now
        digest = digest_of([raw["metadata"]["uid"], notice.reason, notice.message, time])
        name, namespace = raw["metadata"]["name"], raw["metadata"].get("namespace", "default")
        event = {
            "apiVersion": "v1",
            "kind": "Event",
            "metadata": {"name": f"{name}.{digest}", "namespace": namespace},
            "type": "Warning" if notice.warning else "Normal",
            "reason": notice.reason,
            "message": notice.message,
            "involvedObject": {
                "apiVersion": raw["apiVersion"],
                "kind": raw["kind"],
                "name": name,
                "namespace": namespace,
                "uid": raw["metadata"]["uid"],
                "resourceVersion": raw["metadata"].get("resourceVersion", ""),
            },
            "source": {"component": MANAGER},
            "reportingComponent": MANAGER,
            "firstTimestamp": time,
            "lastTimestamp": time,
            "count": 1,
        }
        self.writes += 1
        try:
            await self._cluster.create(kinds.EVENT, event)
        except Refused as error:
            log.warning("%s", error)


def _deleted(raw: Raw) -> bool:
    return bool(raw["metadata"].get("deletionTimestamp"))


def _renew(raw: Raw, made: Raw) -> None:
    """A later write of the same pass starts from what this one made."""
    version = made.get("metadata", {}).get("resourceVersion")
    if version and isinstance(raw["metadata"], dict):
        raw["metadata"]["resourceVersion"] = version
        raw["metadata"]["finalizers"] = made["metadata"].get("finalizers") or []
