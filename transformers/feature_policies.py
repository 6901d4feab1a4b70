"""What happens where a feature is missing, too old, or cannot be asked for."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, get_args

from umbel.graph.errors import DeclarationError, InvalidInput, NotReady
from umbel.nodes.descriptions import clip
from umbel.transformers.feature_source import FeatureColumn

Policy = Literal["fail", "default", "pass"]
"""``fail``: an error answer. ``default``: the value from ``defaults`` (null where there is
none). ``pass``: what the store gave: null for a missing value, the old value for a stale one."""


@dataclass(frozen=True)
class Policies:
    """``missing``: no such entity, a null or NaN (``fail``: 400, the client named it). ``stale``:
    older than ``max_age_s`` (``fail``: 503, the pipeline is late). ``failure``: no answer from
    the store (``fail``: 503, or 504 after the time limit). ``max_age_s``: seconds, by feature,
    or under ``""`` for all features that have none of their own."""

    missing: Policy = "fail"
    stale: Policy = "pass"
    failure: Policy = "fail"
    defaults: Mapping[str, Any] = field(default_factory=dict)
    max_age_s: Mapping[str, float] = field(default_factory=dict)

    def check(self) -> None:
        """Raise DeclarationError for what is no policy."""
        asked = {"missing": self.missing, "stale": self.stale, "failure": self.failure}
        for name, policy in asked.items():
            if policy not in get_args(Policy):
                raise DeclarationError(
                    f"on_{name} is {policy!r}: write one of {', '.join(get_args(Policy))}"
                )
        if "default" in asked.values() and not self.defaults:
            raise DeclarationError(
                'a policy is "default" and there are no defaults: '
                'write defaults={"feature_name": 0.0, …}'
            )

    def age_limit(self, feature: str, described: Mapping[str, float]) -> float:
        """Seconds after which a value of ``feature`` is old; 0 for never."""
        own = self.max_age_s.get(feature, self.max_age_s.get(""))
        return described.get(feature, 0.0) if own is None else own

    def instead(self, features: Sequence[str], rows: int) -> dict[str, list[Any]]:
        """The values of all features where the store gave no answer."""
        use = self.defaults if self.failure == "default" else {}
        return {name: [use.get(name)] * rows for name in features}

    def apply(
        self,
        found: Mapping[str, FeatureColumn],
        described: Mapping[str, float],
        keys: Sequence[str],
    ) -> dict[str, list[Any]]:
        """The values by feature, policies carried out. ``keys`` names each row in errors.

        Raises InvalidInput for missing values, NotReady for stale ones, each with all of them.
        """
        values: dict[str, list[Any]] = {}
        missing: dict[int, list[str]] = {}
        stale: dict[int, list[str]] = {}
        now = time.time()
        for name, column in found.items():
            limit = self.age_limit(name, described)
            kept = list(column.values)
            values[name] = kept
            for row, (value, since) in enumerate(zip(column.values, column.times, strict=True)):
                if value is None or (isinstance(value, float) and math.isnan(value)):
                    missing.setdefault(row, []).append(name)
                    if self.missing == "default":
                        kept[row] = self.defaults.get(name)
                elif limit and since and now - since > limit:
                    stale.setdefault(row, []).append(f"{name} ({_age(now - since)} old)")
                    if self.stale == "default":
                        kept[row] = self.defaults.get(name)
        if missing and self.missing == "fail":
            raise InvalidInput(f"the feature store has no {_listed(missing, keys)}")
        if stale and self.stale == "fail":
            raise NotReady(f"features are out of date: {_listed(stale, keys)}")
        return values


def _listed(problems: Mapping[int, Sequence[str]], keys: Sequence[str]) -> str:
    shown = [f"{', '.join(names)} for {clip(keys[row], 80)}" for row, names in problems.items()]
    more = f"; and {len(shown) - 10} rows more" if len(shown) > 10 else ""
    return "; ".join(shown[:10]) + more


def _age(seconds: float) -> str:
    for unit, length in (("days", 86400.0), ("hours", 3600.0), ("minutes", 60.0)):
        if seconds >= 2 * length:
            return f"{seconds / length:.0f} {unit}"
    return f"{seconds:.0f} seconds"
