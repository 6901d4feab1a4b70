"""What 100 concurrent single-row requests for features cost beside 100 separate look-ups.

    python benchmarks/feast_lookup.py

Needs Feast, nothing else: a repository with 1,000 drivers is made in a temporary folder. Each
figure is the median of several rounds; both sides use the same SDK, store and process.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import statistics
import tempfile
import time
import warnings
from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pandas as pd
from feast import Entity, FeatureStore, FeatureView, Field, FileSource, ValueType
from feast.types import Float32, Int64

from umbel.transformers.feast_store import FeastStore
from umbel.transformers.feature_enricher import FeatureEnricher
from umbel.transformers.feature_policies import Policies

FEATURES = ["stats:rate", "stats:trips"]
SETTINGS = """
project: benchmark
provider: local
registry: registry.db
online_store: {type: sqlite, path: online.db}
offline_store: {type: file}
entity_key_serialization_version: 3
"""


def make_repository(folder: Path) -> None:
    """1,000 drivers with two features each, applied and materialised."""
    (folder / "feature_store.yaml").write_text(SETTINGS)
    now = datetime.now(timezone.utc)
    ids = list(range(1, 1001))
    table = pd.DataFrame({"driver_id": ids, "rate": [n / 1000 for n in ids], "trips": ids})
    table.assign(event_timestamp=now).to_parquet(folder / "stats.parquet")
    driver = Entity(name="driver", join_keys=["driver_id"], value_type=ValueType.INT64)
    stats = FeatureView(
        name="stats",
        entities=[driver],
        ttl=timedelta(days=1),
        schema=[Field(name="rate", dtype=Float32), Field(name="trips", dtype=Int64)],
        source=FileSource(path=str(folder / "stats.parquet"), timestamp_field="event_timestamp"),
    )
    store = FeatureStore(repo_path=str(folder))
    store.apply([driver, stats])
    store.materialize(now - timedelta(days=1), now + timedelta(minutes=1))


async def timed(work: Callable[[], Awaitable[None]], rounds: int) -> float:
    """The median seconds of a round, after one that does not count."""
    seconds = []
    for _ in range(rounds + 1):
        start = time.perf_counter()
        await work()
        seconds.append(time.perf_counter() - start)
    return statistics.median(seconds[1:])


async def measure(folder: Path, requests: int, rounds: int) -> dict[str, float]:
    """Seconds for the requests, separately and together."""
    made = FeatureEnricher(FeastStore(str(folder), FEATURES, full_names=False), Policies())
    made.open()
    plain = FeatureStore(repo_path=str(folder))

    async def separately() -> None:
        for driver in range(1, requests + 1):
            plain.get_online_features(features=FEATURES, entity_rows=[{"driver_id": driver}])

    async def together() -> None:
        await asyncio.gather(*(made.enriched([[driver]]) for driver in range(1, requests + 1)))

    separate = await timed(separately, rounds)
    before = made.look_ups
    joined = await timed(together, rounds)
    look_ups = (made.look_ups - before) / (rounds + 1)
    await made.close()
    return {
        "requests": requests,
        "separate_ms": round(separate * 1000, 1),
        "together_ms": round(joined * 1000, 1),
        "look_ups": look_ups,
        "ratio": round(joined / separate, 3),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--requests", type=int, default=100)
    parser.add_argument("--rounds", type=int, default=9)
    asked = parser.parse_args()
    warnings.simplefilter("ignore")
    with tempfile.TemporaryDirectory() as name:
        make_repository(Path(name))
        print(json.dumps(asyncio.run(measure(Path(name), asked.requests, asked.rounds))))


if __name__ == "__main__":
    main()
