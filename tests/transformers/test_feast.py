"""Feast itself: its SDK on a local repository, and a real feature server process."""

from __future__ import annotations

import asyncio
import shutil
import signal
import sqlite3
import time
import warnings
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from feast_server import FeastServer
from umbel import CheckFailed, UmbelError, inference_graph
from umbel.graph.errors import DeadlineExceeded, DeclarationError, InvalidInput, NotReady
from umbel.graph.graph_definitions import GraphDefinition
from umbel.graph.implementations import PythonCode
from umbel.transformers.feast_features import FeastFeatures, feast_features
from umbel.transformers.feast_payload import FeastTransformer

pytestmark = pytest.mark.slow

STATS = ["stats:rate", "stats:trips"]


def graph(**asked: Any) -> GraphDefinition:
    asked = {"output": "rows", **asked}
    features = feast_features(asked.pop("repo", ""), **asked)

    @inference_graph(name="features")
    def enriched(x: Any) -> Any:
        return features(x)

    return enriched


def by_hand(repo: Path, features: Any, rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    import feast

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        store = feast.FeatureStore(repo_path=str(repo))
        asked = store.get_feature_service(features) if isinstance(features, str) else features
        found = store.get_online_features(features=asked, entity_rows=rows).to_dict()
    return [dict(zip(found, row, strict=True)) for row in zip(*found.values(), strict=True)]


def test_features_equal_those_that_feast_gives(repo: Path) -> None:
    rows = [{"driver_id": 1001}, {"driver_id": 1050}]
    assert graph(repo=str(repo), features=STATS).local(rows) == by_hand(repo, STATS, rows)


def test_a_feature_service_with_an_on_demand_view_and_request_values(repo: Path) -> None:
    rows = [{"driver_id": 1001, "km": 5.0}, {"driver_id": 1004, "km": 6.0}]
    found = graph(repo=str(repo), features="ranking").local(rows)
    hand = by_hand(repo, "ranking", rows)
    assert [row["km_per_trip"] for row in found] == [5.0, 1.5]
    assert [{k: v for k, v in row.items() if k != "km"} for row in found] == hand
    assert [row["km"] for row in found] == [5.0, 6.0]


def test_join_keys_of_several_columns(repo: Path) -> None:
    made = graph(repo=str(repo), features=["local:known"], entities=["city", "driver_id"])
    found = made.local([["Ulm", 1001], ["Bern", 1001]])
    assert [row["known"] for row in found] == [0.25, 0.75]
    with pytest.raises(InvalidInput, match="city='Rom', driver_id=1001"):
        made.local([["Rom", 1001]])


def test_stale_features_by_the_views_ttl(repo: Path) -> None:
    made = graph(repo=str(repo), features=STATS, on_stale="fail")
    with pytest.raises(NotReady, match="3 days old"):
        made.local([1001, 1002])
    assert len(made.local([1001, 1003])) == 2


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ({"features": ["stat:rate"]}, "there is no view 'stat'"),
        ({"features": ["stats:speed"]}, "'stats' has the features ['rate', 'trips']"),
        ({"features": "rank"}, "it has ['ranking']"),
        ({"features": STATS, "entities": ["rider"]}, "the join keys of these features are"),
    ],
)
def test_unknown_names_are_told_at_the_start(repo: Path, asked: dict[str, Any], said: str) -> None:
    with pytest.raises(DeclarationError) as caught:
        graph(repo=str(repo), **asked).local([1001])
    assert said in str(caught.value)


def test_a_repository_that_is_not_applied_names_the_line_to_type(
    repo: Path, tmp_path: Path
) -> None:
    shutil.copy(repo / "feature_store.yaml", tmp_path)
    with pytest.raises(DeclarationError, match=f"run `feast -c {tmp_path} apply`"):
        graph(repo=str(tmp_path), features=STATS).local([1001])
    shutil.copy(repo / "registry.db", tmp_path)
    with pytest.raises(DeclarationError, match="is not applied"):
        graph(repo=str(tmp_path), features=STATS).local([1001])
    with pytest.raises(DeclarationError, match=r"has no feature_store\.yaml"):
        graph(repo=str(tmp_path / "none"), features=STATS).local([1001])


def test_a_locked_online_store_is_504_in_time_and_works_again(repo: Path, tmp_path: Path) -> None:
    shutil.copytree(repo, tmp_path / "copy")
    made = graph(repo=str(tmp_path / "copy"), features=STATS, timeout_s=0.5)
    assert len(made.local([1001])) == 1
    lock = sqlite3.connect(tmp_path / "copy" / "online.db", isolation_level=None)
    lock.execute("PRAGMA locking_mode=EXCLUSIVE")
    lock.execute("BEGIN EXCLUSIVE")
    start = time.monotonic()
    with pytest.raises((DeadlineExceeded, NotReady)):
        made.local([1001])
    assert time.monotonic() - start < 3
    lock.execute("ROLLBACK")
    lock.close()
    time.sleep(6)  # SQLite's own patience, in the thread of the look-up that was given up
    assert len(made.local([1001])) == 1


@asynccontextmanager
async def opened(**asked: Any) -> AsyncIterator[FeastFeatures]:
    """The code of a node, connected, and closed at the end."""
    node = feast_features(**{"output": "rows", **asked})
    assert isinstance(node.code, PythonCode)
    code: FeastFeatures = node.code.target(*node.code.args, **node.code.kwargs)
    try:
        await asyncio.to_thread(code.load)
        yield code
    finally:
        await code.close()


async def test_a_feature_server_gives_the_same(repo: Path, feast_server: FeastServer) -> None:
    rows = [{"driver_id": 1001, "km": 5.0}, {"driver_id": 1004, "km": 6.0}]
    async with opened(repo=str(repo), features="ranking") as local:
        hand = await local.transform(rows)
    asked: dict[str, Any] = {"entities": {"driver_id": "int"}, "request": {"km": "float"}}
    async with opened(url=feast_server.url, features="ranking", **asked) as remote:
        found = await remote.transform(rows)
        with pytest.raises(InvalidInput, match="has no"):
            await remote.transform([[77, 1.0]])
    assert [dict(sorted(row.items())) for row in found] == [
        {name: pytest.approx(value) for name, value in sorted(row.items())} for row in hand
    ]
    async with opened(url=feast_server.url, features=STATS, entities=["driver_id"]) as untyped:
        with pytest.raises(InvalidInput, match="invalid literal"):
            await untyped.transform([["x"]])
    with pytest.raises(DeclarationError, match="refuses"):
        async with opened(url=feast_server.url, features=["stat:rate"], entities=["driver_id"]):
            pass


@pytest.mark.parametrize("death", [signal.SIGSTOP, signal.SIGKILL])
async def test_a_server_that_stops_under_load_gives_503_or_504_and_no_hang(
    feast_server: FeastServer, death: int
) -> None:
    outcomes: list[tuple[str, float]] = []

    async def client(code: FeastFeatures, number: int, end: float) -> None:
        while time.monotonic() < end:
            start = time.monotonic()
            try:
                await code.transform([[1001 + number]])
                outcome = "ok"
            except UmbelError as error:
                outcome = str(error.status)
            outcomes.append((outcome, time.monotonic() - start))
            await asyncio.sleep(0.01)

    asked: dict[str, Any] = {"features": STATS, "entities": ["driver_id"], "timeout_s": 0.5}
    async with opened(url=feast_server.url, **asked) as code:
        end = time.monotonic() + 5
        clients = [asyncio.create_task(client(code, n, end)) for n in range(20)]
        await asyncio.sleep(1.5)
        feast_server.signal(death)
        await asyncio.gather(*clients)
    assert {outcome for outcome, _ in outcomes} <= {"ok", "503", "504"}
    assert {"ok"} < {outcome for outcome, _ in outcomes}
    assert max(seconds for _, seconds in outcomes) < 2


async def test_kserves_arguments(feast_server: FeastServer) -> None:
    made = FeastTransformer(
        feast_serving_url=feast_server.url.removeprefix("http://"),
        entity_id_name="driver_id",
        feature_refs=["stats:trips", "stats:rate"],
    )
    await asyncio.to_thread(made.load)
    found = await made.preprocess({"instances": [[1001], [1050]]})
    assert found == {
        "instances": [[pytest.approx(0.5005), 1, 1001], [pytest.approx(0.525), 50, 1050]]
    }
    with pytest.raises(InvalidInput, match="driver_id=5"):
        await made.preprocess({"instances": [[5]]})
    with pytest.raises(InvalidInput, match="instances"):
        await made.preprocess({"rows": [[5]]})
    await made._enricher.close()


def test_arguments_that_make_no_sense_name_the_line(repo: Path) -> None:
    with pytest.raises((DeclarationError, CheckFailed), match=r"test_feast\.py:\d+"):
        feast_features(features=STATS)
    with pytest.raises(DeclarationError, match=r"entities=\["):
        feast_features(url="http://127.0.0.1:1", features=STATS)
