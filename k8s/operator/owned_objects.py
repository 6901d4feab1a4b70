"""The objects that resources own in the cluster: read together, and written where they differ.

They are applied server-side, and only where something changed: each carries a digest of what was
applied. They go with their resource (``ownerReferences``).
"""

from __future__ import annotations

import asyncio
import copy
import logging
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from typing import Any

from umbel.k8s.operator.api_errors import ClusterUnavailable, Conflict, Refused
from umbel.k8s.operator.cluster import Cluster
from umbel.k8s.operator.kinds import Kind
from umbel.k8s.operator.outcome import Outcome
from umbel.k8s.operator.ownership import belongs, is_left_of
from umbel.k8s.operator.revisions import digest_of
from umbel.k8s.operator.target import Overtaken
from umbel.k8s.operator.world import Key, Raw

log = logging.getLogger("umbel.operator")

APPLIED = "umbel.dev/applied"

AT_ONCE = 16
"""Resources whose objects are written at the same time."""

Name = tuple[str, str, str]
"""An object's kind, namespace and name."""

Refusals = Mapping[Key, tuple[Outcome, str]]
"""The resources whose objects the cluster does not take, and why not."""


class OwnedObjects:
    """The objects of these kinds that have the labels of ``selector``, of all resources.
    ``live``: as they were last read. ``before`` sees an object of which none is there yet, and
    answers and raises as `is_left_of` does."""

    def __init__(
        self,
        cluster: Cluster,
        namespaces: tuple[str, ...],
        kinds: Sequence[Kind],
        selector: str,
        before: Callable[[Raw], Awaitable[bool]] | None = None,
    ) -> None:
        self._cluster, self._namespaces, self._selector = cluster, namespaces, selector
        self._kinds = {one.name: one for one in kinds}
        self._before = before
        self._refused: dict[Key, tuple[Outcome, str]] = {}
        self.live: Mapping[Name, Raw] = {}

    @property
    def refused(self) -> Refusals:
        """As of the last writes."""
        return self._refused

    async def read(self) -> None:
        """Raises ``Refused`` where they may not be read."""
        lists = await asyncio.gather(
            *(
                self._cluster.listing(kind, self._namespaces, self._selector)
                for kind in self._kinds.values()
            )
        )
        self.live = {name_of(raw): raw for found in lists for raw in found}

    def of(self, kind: Kind) -> list[Raw]:
        """Those of one kind."""
        return [raw for name, raw in self.live.items() if name[0] == kind.name]

    async def each(
        self, outcomes: Iterable[Outcome], work: Callable[[Outcome], Awaitable[int]]
    ) -> int:
        """``work`` for every resource; how many writes that took. One that the cluster refuses
        stops no other. Raises ``ClusterUnavailable``, and ``Overtaken`` where an object has been
        changed since it was read."""
        given = list(outcomes)
        keys = {one.key for one in given}
        self._refused = {key: one for key, one in self._refused.items() if key in keys}
        slots = asyncio.Semaphore(AT_ONCE)
        overtaken: list[Key] = []
        down: list[ClusterUnavailable] = []

        async def tried(outcome: Outcome) -> int:
            async with slots:
                if any(error.for_all for error in down):
                    return 0
                try:
                    writes = await work(outcome)
                except ClusterUnavailable as error:
                    down.append(error)
                except Conflict:
                    overtaken.append(outcome.key)
                except Refused as error:
                    self._note(outcome, str(error))
                else:
                    self._refused.pop(outcome.key, None)
                    return writes
                return 0

        writes = sum(await asyncio.gather(*map(tried, given)))
        if down:
            raise down[0]
        if overtaken:
            raise Overtaken(f"objects of {overtaken[0]} have just been changed by another")
        return writes

    async def settle(self, owner: Raw, wanted: Iterable[Raw], stays: Callable[[Name], bool]) -> int:
        """Apply what changed of ``wanted`` (see `marked`), and delete what the owner has beside
        it unless it ``stays``; how many writes that took. Nothing is written before it is known
        of all whose they are."""
        names, changed = set[Name](), list[tuple[Raw, Raw | None]]()
        for made in wanted:
            name = name_of(made)
            names.add(name)
            known = self.live.get(name)
            if not _is_as(made, known, owner):
                changed.append((made, known))
        for made, known in changed:
            if await self._is_left(made, known, owner):
                return 0  # of a resource of this name that is gone: it goes, too
        for made, known in changed:
            await self._cluster.apply(self._kinds[made["kind"]], made, known)
        surplus = [
            raw
            for name, raw in self.live.items()
            if name not in names and belongs(raw, owner) and not stays(name)
        ]
        for raw in surplus:
            await self._cluster.delete(self._kinds[raw["kind"]], raw)
        return len(changed) + len(surplus)

    async def _is_left(self, made: Raw, known: Raw | None, owner: Raw) -> bool:
        """True where the object belonged to an earlier resource of the owner's name. Raises
        ``Refused`` where it is somebody else's: an apply would take it over, and it would go
        with the resource."""
        kind = self._kinds[made["kind"]]
        there = known or await self._cluster.get(kind, *name_of(made)[1:])
        if there is None:
            return self._before is not None and await self._before(made)
        return not belongs(there, owner) and is_left_of(there, kind, owner)

    def _note(self, outcome: Outcome, message: str) -> None:
        _, before = self._refused.get(outcome.key, (None, ""))
        if before != message:
            log.warning("%s: %s", outcome.key, message)
        self._refused[outcome.key] = (outcome, message)


def marked(made: Raw) -> dict[str, Any]:
    """The object with the digest of its content."""
    whole = copy.deepcopy(dict(made))
    whole["metadata"].setdefault("annotations", {})[APPLIED] = digest_of(made)
    return whole


def name_of(raw: Raw) -> Name:
    """Kind, namespace and name."""
    return raw["kind"], raw["metadata"]["namespace"], raw["metadata"]["name"]


def _is_as(made: Raw, known: Raw | None, owner: Raw) -> bool:
    notes = (known or {}).get("metadata", {}).get("annotations") or {}
    return notes.get(APPLIED) == made["metadata"]["annotations"][APPLIED] and belongs(known, owner)
