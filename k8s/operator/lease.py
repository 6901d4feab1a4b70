"""Leader election by a Lease: a lock, as Kubernetes' own controllers use it.

Kopf's peering compares priorities and time stamps; two peers may both act for a while. Nothing
breaks then, since every pass works from what it reads, but a Lease needs no CRD and is exact.
"""

from __future__ import annotations

import datetime as dt
import time

from umbel.k8s.operator import kinds
from umbel.k8s.operator.api_errors import Refused
from umbel.k8s.operator.cluster import Cluster
from umbel.k8s.operator.settings import OperatorSettings
from umbel.k8s.operator.world import Raw

DURATION_S = 15
RENEW_S = 5.0


class Leadership:
    """Whether this process may write. ``identity`` names it to the others."""

    def __init__(self, cluster: Cluster, settings: OperatorSettings, identity: str) -> None:
        self._cluster, self._settings, self._identity = cluster, settings, identity
        self._name = f"{settings.name}-operator"
        self._seen: tuple[str, float] = ("", 0.0)
        self._until = 0.0

    def holds(self) -> bool:
        """True while the Lease is this process's for certain."""
        return not self._settings.leader_elect or time.monotonic() < self._until

    async def renew(self) -> bool:
        """Take or renew the Lease. True if this process leads."""
        if not self._settings.leader_elect:
            return True
        asked = time.monotonic()
        namespace = self._settings.lease_namespace
        lease = await self._cluster.get(kinds.LEASE, namespace, self._name)
        try:
            if lease is None:
                made = await self._cluster.create(kinds.LEASE, self._lease({}))
                won = made is not None
            elif self._mine(lease) or self._expired(lease):
                await self._cluster.replace(kinds.LEASE, self._lease(lease))
                won = True
            else:
                won = False
        except Refused as error:
            if error.code != 409:
                raise
            won = False
        self._until = asked + DURATION_S * 2 / 3 if won else 0.0
        return won

    async def release(self) -> None:
        """Let another take over at once."""
        lease = await self._cluster.get(kinds.LEASE, self._settings.lease_namespace, self._name)
        if self._settings.leader_elect and lease is not None and self._mine(lease):
            self._until = 0.0
            free = {**lease, "spec": {**lease["spec"], "holderIdentity": ""}}
            await self._cluster.replace(kinds.LEASE, free)

    def _mine(self, lease: Raw) -> bool:
        return bool((lease.get("spec") or {}).get("holderIdentity") == self._identity)

    def _expired(self, lease: Raw) -> bool:
        """Not renewed for as long as it lasts, by this process's own clock: those of two
        machines differ."""
        spec, now = lease.get("spec") or {}, time.monotonic()
        version = str(lease["metadata"].get("resourceVersion", ""))
        if self._seen[0] != version:
            self._seen = (version, now)
        lasts = float(spec.get("leaseDurationSeconds", DURATION_S))
        return not spec.get("holderIdentity") or now - self._seen[1] > lasts

    def _lease(self, before: Raw) -> Raw:
        now = dt.datetime.now(dt.timezone.utc).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
        spec = before.get("spec") or {}
        mine = spec.get("holderIdentity") == self._identity
        metadata = before.get("metadata") or {
            "name": self._name,
            "namespace": self._settings.lease_namespace,
        }
        return {
            "apiVersion": kinds.LEASE.api_version,
            "kind": "Lease",
            "metadata": metadata,
            "spec": {
                "holderIdentity": self._identity,
                "leaseDurationSeconds": DURATION_S,
                "acquireTime": spec.get("acquireTime", now) if mine else now,
                "renewTime": now,
                "leaseTransitions": int(spec.get("leaseTransitions", 0)) + (not mine),
            },
        }
