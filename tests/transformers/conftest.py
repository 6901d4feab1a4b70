"""A real Feast repository with one view, one on-demand view and a service, and its server."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from feast_server import FeastServer, serve

DEFINITIONS = """
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pandas as pd
from feast import Entity, FeatureService, FeatureStore, FeatureView, Field, FileSource
from feast import RequestSource, ValueType
from feast.on_demand_feature_view import on_demand_feature_view
from feast.types import Float32, Float64, Int64

HERE = Path(__file__).parent
driver = Entity(name="driver", join_keys=["driver_id"], value_type=ValueType.INT64)
city = Entity(name="city", join_keys=["city"], value_type=ValueType.STRING)
stats = FeatureView(
    name="stats",
    entities=[driver],
    ttl=timedelta(days=1),
    schema=[Field(name="rate", dtype=Float32), Field(name="trips", dtype=Int64)],
    source=FileSource(path=str(HERE / "stats.parquet"), timestamp_field="event_timestamp"),
)
local = FeatureView(
    name="local",
    entities=[driver, city],
    ttl=timedelta(days=1),
    schema=[Field(name="known", dtype=Float64)],
    source=FileSource(path=str(HERE / "local.parquet"), timestamp_field="event_timestamp"),
)
trip = RequestSource(name="trip", schema=[Field(name="km", dtype=Float64)])


@on_demand_feature_view(sources=[stats, trip], schema=[Field(name="km_per_trip", dtype=Float64)])
def ratio(inputs: pd.DataFrame) -> pd.DataFrame:
    return pd.DataFrame({"km_per_trip": inputs["km"] / inputs["trips"]})


service = FeatureService(name="ranking", features=[stats, ratio])

if __name__ == "__main__":
    now = datetime.now(timezone.utc)
    ids = list(range(1001, 1101))
    pd.DataFrame(
        {
            "driver_id": ids,
            "event_timestamp": [now - timedelta(days=3 if n == 1002 else 0) for n in ids],
            "rate": [n / 2000 for n in ids],
            "trips": [n - 1000 for n in ids],
        }
    ).to_parquet(HERE / "stats.parquet")
    pd.DataFrame(
        {
            "driver_id": [1001, 1001],
            "city": ["Ulm", "Bern"],
            "event_timestamp": [now, now],
            "known": [0.25, 0.75],
        }
    ).to_parquet(HERE / "local.parquet")
    store = FeatureStore(repo_path=str(HERE))
    store.apply([driver, city, stats, local, ratio, service])
    store.materialize(now - timedelta(days=9), now + timedelta(minutes=1))
"""

SETTINGS = """
project: tests
provider: local
registry: registry.db
online_store: {type: sqlite, path: online.db}
offline_store: {type: file}
entity_key_serialization_version: 3
"""


@pytest.fixture(scope="session")
def repo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A repository, applied and materialised in a process of its own."""
    pytest.importorskip("feast")
    folder = tmp_path_factory.mktemp("features")
    (folder / "feature_store.yaml").write_text(SETTINGS)
    (folder / "definitions.py").write_text(DEFINITIONS)
    subprocess.run(
        [sys.executable, str(folder / "definitions.py")],
        check=True,
        capture_output=True,
        cwd=folder,
    )
    return folder


@pytest.fixture()
def feast_server(repo: Path) -> Iterator[FeastServer]:
    """A server of ``repo`` on a free port of loopback."""
    yield from serve(repo)
