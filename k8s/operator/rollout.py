"""Which revisions of a service share its traffic: KServe's rules for canaries.

- Without ``canaryTrafficPercent`` the newest revision gets everything once it runs.
- With it, the newest gets that percent and the revision that was rolled out last the rest. The
  first revision of a service ignores it.
- A percent below 100 on a revision that is rolled out already rolls back to the one before.
- ``spec.canary[]``: each running variant gets its percent, the stable predictor the rest.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from umbel.k8s.operator.revisions import Revision
from umbel.k8s.operator.world import Raw


@dataclass(frozen=True)
class Rollout:
    """``rolled_out`` is the revision that last had all traffic, ``previous`` the one before."""

    latest: Revision
    rolled_out: Revision | None
    previous: Revision | None
    percent: int | None
    """What the newest revision may have at most; None: everything."""

    @property
    def is_canary(self) -> bool:
        """True while two revisions are to be served."""
        return (
            self.percent is not None
            and self.rolled_out is not None
            and self.rolled_out.name != self.latest.name
        )

    def shares(self, running: Sequence[str]) -> dict[str, int]:
        """Revision → percent, given the names of those that run. A revision that does not run
        gets nothing as long as another can answer."""
        latest, old = self.latest.name, self.rolled_out
        if old is None or old.name == latest:
            return {latest: 100}
        if latest not in running:
            return {old.name: 100}
        percent = 100 if self.percent is None else self.percent
        if 0 < percent < 100 and old.name not in running:
            return {latest: 100}
        return {
            name: share for name, share in ((latest, percent), (old.name, 100 - percent)) if share
        }


def rollout_of(service: Raw, known: Sequence[Revision], latest: Revision) -> Rollout:
    """The state that spec, status and records give."""
    by_name = {one.name: one for one in (*known, latest)}
    component = recorded(service)
    rolled_out = by_name.get(str(component.get("latestRolledoutRevision", "")))
    previous = by_name.get(str(component.get("previousRolledoutRevision", "")))
    percent = percent_of(service)
    again = rolled_out is not None and rolled_out.name == latest.name
    if (
        again
        and percent is not None
        and percent < 100
        and previous
        and previous.name != latest.name
    ):
        rolled_out = previous
    return Rollout(latest, rolled_out, previous, percent)


def percent_of(service: Raw) -> int | None:
    """``spec.predictor.canaryTrafficPercent``, where it is a percentage."""
    spec = service.get("spec") or {}
    predictor = spec.get("predictor")
    value = predictor.get("canaryTrafficPercent") if isinstance(predictor, Mapping) else None
    return value if isinstance(value, int) and 0 <= value <= 100 else None


def recorded(service: Raw) -> Mapping[str, Any]:
    """``status.components.predictor``."""
    components = (service.get("status") or {}).get("components") or {}
    found: Mapping[str, Any] = components.get("predictor") or {}
    return found


def canaries(service: Raw) -> list[tuple[str, Mapping[str, Any], int]]:
    """``spec.canary[]`` as ``(name, predictor, percent)``; what is malformed is left out."""
    found = []
    for one in (service.get("spec") or {}).get("canary") or ():
        predictor = one.get("predictor") if isinstance(one, Mapping) else None
        if isinstance(predictor, Mapping) and predictor.get("name"):
            percent = one.get("trafficPercent", 0)
            sound = isinstance(percent, int) and 0 <= percent <= 100
            found.append((str(predictor["name"]), predictor, percent if sound else 0))
    return found
