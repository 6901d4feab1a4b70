"""Policies, joined look-ups and time limits, over a store that is a dict in memory."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping, Sequence
from typing import Any

import pytest

from umbel.graph.errors import DeadlineExceeded, DeclarationError, InvalidInput, NotReady
from umbel.transformers.feature_enricher import FeatureEnricher
from umbel.transformers.feature_policies import Policies
from umbel.transformers.feature_source import (
    Description,
    FeatureColumn,
    Field,
    StoreRefused,
    StoreUnreachable,
)

DAY = 86400.0


class Memory:
    """Features ``rate`` and ``trips`` of drivers: value, and days since the event."""

    def __init__(self, drivers: Mapping[int, tuple[Any, Any, float]]) -> None:
        self.drivers, self.calls = drivers, list[int]()
        self.slow_s, self.broken = 0.0, False

    def open(self) -> Description:
        limits = {"rate": 2 * DAY, "trips": 2 * DAY}
        return Description((Field("driver", "int"),), (), ("rate", "trips"), limits)

    async def look_up(self, columns: Mapping[str, Sequence[Any]]) -> Mapping[str, FeatureColumn]:
        self.calls.append(len(columns["driver"]))
        await asyncio.sleep(self.slow_s)
        if self.broken:
            raise StoreUnreachable("gone")
        if 666 in columns["driver"]:
            raise StoreRefused("what is 666?")
        found = [self.drivers.get(driver, (None, None, 0.0)) for driver in columns["driver"]]
        times = [time.time() - days * DAY if rate is not None else 0 for rate, _, days in found]
        return {
            "trips": FeatureColumn([trips for _, trips, _ in found], times),
            "rate": FeatureColumn([rate for rate, _, _ in found], times),
        }

    async def close(self) -> None:
        pass


def enricher(policies: Policies | None = None, **limits: Any) -> tuple[FeatureEnricher, Memory]:
    memory = Memory({1: (0.5, 7, 0.0), 2: (0.25, 8, 3.0), **{n: (n, n, 0) for n in range(10, 200)}})
    made = FeatureEnricher(memory, policies or Policies(), **limits)
    made.open()
    return made, memory


async def test_features_stand_behind_the_rows_in_the_order_asked_for() -> None:
    made, _ = enricher()
    assert await made.enriched([[1]]) == {"driver": [1], "rate": [0.5], "trips": [7]}
    assert await made.enriched([]) == {"driver": [], "rate": [], "trips": []}


async def test_requests_in_flight_share_a_look_up() -> None:
    made, memory = enricher()
    memory.slow_s = 0.01
    answers = await asyncio.gather(*(made.enriched([[n]]) for n in range(10, 110)))
    assert [answer["rate"] for answer in answers] == [[n] for n in range(10, 110)]
    assert len(memory.calls) <= 3
    assert sum(memory.calls) == 100


async def test_missing_fail_names_the_entity_and_is_the_clients_mistake() -> None:
    made, _ = enricher()
    with pytest.raises(InvalidInput, match="no rate, trips for driver=777"):
        await made.enriched([[1], [777]])


async def test_missing_default_and_pass() -> None:
    made, _ = enricher(Policies(missing="default", defaults={"rate": 0.1}))
    assert await made.enriched([[777]]) == {"driver": [777], "rate": [0.1], "trips": [None]}
    made, _ = enricher(Policies(missing="pass"))
    assert await made.enriched([[777]]) == {"driver": [777], "rate": [None], "trips": [None]}


async def test_stale_pass_fail_and_default() -> None:
    made, _ = enricher()
    assert (await made.enriched([[2]]))["rate"] == [0.25]
    made, _ = enricher(Policies(stale="fail"))
    with pytest.raises(NotReady, match=r"rate \(3 days old\).* for driver=2"):
        await made.enriched([[2]])
    assert (await made.enriched([[1]]))["rate"] == [0.5]
    made, _ = enricher(Policies(stale="default", defaults={"rate": 9}, max_age_s={"trips": 1e9}))
    assert await made.enriched([[2]]) == {"driver": [2], "rate": [9], "trips": [8]}


async def test_a_store_that_is_gone_is_503_or_the_defaults() -> None:
    made, memory = enricher()
    memory.broken = True
    with pytest.raises(NotReady, match="gone"):
        await made.enriched([[1]])
    made, memory = enricher(Policies(failure="default", defaults={"rate": 0.0}))
    memory.broken = True
    assert await made.enriched([[1], [2]]) == {
        "driver": [1, 2],
        "rate": [0.0, 0.0],
        "trips": [None, None],
    }


async def test_a_store_that_hangs_holds_nobody_longer_than_the_limit() -> None:
    made, memory = enricher(timeout_s=0.1)
    memory.slow_s = 60
    start = time.monotonic()
    answers = await asyncio.gather(
        *(made.enriched([[n]]) for n in range(10, 110)), return_exceptions=True
    )
    assert time.monotonic() - start < 2
    assert {type(answer) for answer in answers} == {DeadlineExceeded}
    memory.slow_s = 0
    assert (await made.enriched([[10]]))["rate"] == [10]


async def test_one_wrong_row_fails_only_its_own_request() -> None:
    made, memory = enricher()
    memory.slow_s = 0.01
    answers = await asyncio.gather(
        *(made.enriched([[n]]) for n in (10, 666, 11)), return_exceptions=True
    )
    assert isinstance(answers[1], InvalidInput)
    assert [answers[0]["rate"], answers[2]["rate"]] == [[10], [11]]  # type: ignore[index]


@pytest.mark.parametrize(
    ("policies", "order", "said"),
    [
        (
            Policies(missing="ignore"),
            (),
            "on_missing is 'ignore': write one of fail, default, pass",
        ),  # type: ignore[arg-type]
        (Policies(missing="default"), (), "there are no defaults"),
        (Policies(defaults={"rat": 1}), (), "name ['rat']; the features are ['rate', 'trips']"),
        (Policies(), ("rider",), "the join keys of these features are ['driver']"),
    ],
)
def test_what_contradicts_the_store_is_told_when_it_opens(
    policies: Policies, order: tuple[str, ...], said: str
) -> None:
    with pytest.raises(DeclarationError) as caught:
        enricher(policies, order=order)
    assert said in str(caught.value)
