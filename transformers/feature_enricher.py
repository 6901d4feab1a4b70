"""Rows in, rows with their features out: one look-up for all requests in flight."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from umbel.graph.errors import DeadlineExceeded, DeclarationError, InvalidInput, NotReady
from umbel.graph.options import Batch
from umbel.nodes.batching import Batcher
from umbel.nodes.descriptions import listing
from umbel.nodes.request_context import current_request
from umbel.transformers.entity_rows import Columns, columns_of, keys_shown
from umbel.transformers.feature_policies import Policies
from umbel.transformers.feature_source import (
    Description,
    FeatureColumn,
    FeatureSource,
    Field,
    StoreRefused,
    StoreUnreachable,
)

_AT_ONCE = 10_000
"""Rows of one call of the store. SQLite takes 32,766 values in a query."""


@dataclass(frozen=True, slots=True)
class _Failed:
    """What a row gets instead of features. Not raised inside the batch: a batch that fails is
    tried again one request at a time, which would take a dead store's time limit for each."""

    error: Exception


class FeatureEnricher:
    """Joins the features of a store to rows. ``order`` names the join keys in the order of rows
    that are lists; ``timeout_s`` is for a request as a whole, with its time in the queue."""

    def __init__(
        self,
        source: FeatureSource,
        policies: Policies,
        *,
        order: Sequence[str] = (),
        timeout_s: float = 2.0,
        max_rows: int = 256,
    ) -> None:
        policies.check()
        if timeout_s <= 0 or max_rows < 1:
            raise DeclarationError(
                f"timeout_s={timeout_s} and max_rows={max_rows} must be positive"
            )
        self._source, self._policies, self._timeout_s = source, policies, timeout_s
        self._order = tuple(order)
        self._known = Description()
        self._batcher = Batcher(self._joined, Batch(max_rows), "feast")
        self.look_ups = 0
        """Calls of the store so far."""

    def open(self) -> None:
        """Connect. Blocks. Raises DeclarationError."""
        self._known = self._source.open()
        keys = {field.name: field for field in self._known.join_keys}
        odd = [name for name in self._order if name not in keys]
        left = [name for name in keys if name not in self._order]
        if self._order and (odd or left):
            raise DeclarationError(
                f"entities={list(self._order)}: the join keys of these features are {list(keys)}"
            )
        self._keys = [keys[name] for name in self._order or keys]
        unknown = {*self._policies.defaults, *self._policies.max_age_s} - {"", *self.features}
        if self.features and unknown:
            raise DeclarationError(
                f"defaults or max_age_s name {listing(sorted(unknown))}; "
                f"the features are {listing(list(self.features))}"
            )

    async def close(self) -> None:
        """Release the store."""
        await self._source.close()

    @property
    def keys(self) -> tuple[str, ...]:
        """The names of the join keys, in the order of rows that are lists."""
        return tuple(field.name for field in self._keys)

    @property
    def features(self) -> tuple[str, ...]:
        """The names of the features; empty where a server did not tell them yet."""
        return self._known.features

    @property
    def fields(self) -> list[Field]:
        """What each row has to hold."""
        return [*self._keys, *self._known.request_fields]

    async def enriched(self, x: Any) -> Columns:
        """The rows of ``x`` as columns: join keys, what else the rows held, features.

        Raises InvalidInput for wrong rows, NotReady where the store does not answer,
        DeadlineExceeded where it takes too long.
        """
        columns = columns_of(x, self.fields)
        count = len(columns[self.fields[0].name]) if self.fields else 0
        if not count:
            return {**columns, **{name: [] for name in self.features}}
        names = [field.name for field in self.fields]
        rows = list(zip(*(columns[name] for name in names), strict=True))
        try:
            found = await asyncio.wait_for(self._batcher({"rows": rows}), self._time_left())
        except asyncio.TimeoutError:
            found = [_Failed(DeadlineExceeded(self._late))]
        except StoreRefused as error:
            raise InvalidInput(f"the feature store refuses these rows: {error}") from error
        failed = next((one for one in found if isinstance(one, _Failed)), None)
        if failed is not None:
            return {**columns, **self._without(failed.error, count)}
        keys = keys_shown(columns, self.keys)
        named = _stacked(found)
        ordered = dict.fromkeys([*(name for name in self.features if name in named), *named])
        asked = {name: named[name] for name in ordered}
        return {**columns, **self._policies.apply(asked, self._known.max_age_s, keys)}

    @property
    def _late(self) -> str:
        return f"the feature store gave no answer within {self._timeout_s:g} s"

    def _time_left(self) -> float:
        try:
            left = current_request().remaining()
        except LookupError:  # called outside a request
            left = None
        return self._timeout_s if left is None else max(0.0, min(left, self._timeout_s))

    def _without(self, error: Exception, count: int) -> dict[str, list[Any]]:
        if self._policies.failure == "fail":
            raise error
        return self._policies.instead(self.features or tuple(self._policies.defaults), count)

    async def _joined(self, values: dict[str, Any]) -> list[Any]:
        """One result for each row: its features, or why there are none."""
        rows: list[tuple[Any, ...]] = values["rows"]
        results: list[Any] = []
        for start in range(0, len(rows), _AT_ONCE):
            part = rows[start : start + _AT_ONCE]
            try:
                results += await asyncio.wait_for(self._look_up(part), self._timeout_s)
            except asyncio.TimeoutError:
                results += [_Failed(DeadlineExceeded(self._late))] * len(part)
            except StoreUnreachable as error:
                results += [_Failed(NotReady(str(error)))] * len(part)
        return results

    async def _look_up(self, rows: Sequence[tuple[Any, ...]]) -> list[dict[str, Any]]:
        self.look_ups += 1
        columns = {field.name: [row[i] for row in rows] for i, field in enumerate(self.fields)}
        found = await self._source.look_up(columns)
        if not found:
            return [{}] * len(rows)
        pairs = [zip(column.values, column.times, strict=True) for column in found.values()]
        return [dict(zip(found, row, strict=True)) for row in zip(*pairs, strict=True)]


def _stacked(rows: Sequence[Mapping[str, tuple[Any, float]]]) -> dict[str, FeatureColumn]:
    return {
        name: FeatureColumn([row[name][0] for row in rows], [row[name][1] for row in rows])
        for name in rows[0]
    }
