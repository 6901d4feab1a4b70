"""What a feature store has to be able to do for rows to be enriched from it.

Two implementations: Feast's SDK on a repository (``feast_store``) and a Feast feature server
(``feast_server``). Neither knows of policies, batching or requests.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from umbel.graph.errors import ServingError


class StoreUnreachable(ServingError):
    """The store gave no answer. Nobody's input is to blame; another time it may work."""

    status = 503


class StoreRefused(ServingError):
    """The store answered that it cannot serve these rows: some value in them is wrong."""


@dataclass(frozen=True)
class Field:
    """A join key or request-time value. ``kind``: ``int``, ``float``, ``str``, ``bool``,
    ``bytes``, or ``any`` where the store does not tell."""

    name: str
    kind: str = "any"


@dataclass(frozen=True)
class Description:
    """What a store says before the first look-up. ``max_age_s``: seconds by feature name after
    which the definition calls a value old; features without a limit are not in it."""

    join_keys: tuple[Field, ...] = ()
    request_fields: tuple[Field, ...] = ()
    features: tuple[str, ...] = ()
    max_age_s: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class FeatureColumn:
    """One feature for all rows of a look-up. ``values``: None where there is none; ``times``:
    seconds since 1970 of the event behind the value, 0 where the store does not tell."""

    values: Sequence[Any]
    times: Sequence[float]


class FeatureSource(Protocol):
    """A feature store, reached in one way or another."""

    def open(self) -> Description:
        """Connect and check what was asked for. Blocks. Raises DeclarationError with what to
        type where names are unknown or the store is not set up."""

    async def look_up(self, columns: Mapping[str, Sequence[Any]]) -> Mapping[str, FeatureColumn]:
        """The features by name for rows given as columns of join keys and request values.
        Raises StoreUnreachable, StoreRefused."""

    async def close(self) -> None:
        """Release connections and threads."""
