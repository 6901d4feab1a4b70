"""Makes the feature store and the model: history, registry, online store, regression."""

from __future__ import annotations

import sys
from datetime import datetime, timedelta, timezone
from pathlib import Path

import numpy as np
import pandas as pd
import skops.io
from feast import FeatureStore
from sklearn.linear_model import LinearRegression

HERE = Path(__file__).parent
REPO = HERE / "feature_repo"
DRIVERS = np.arange(1001, 1011)
HOURS = 24 * 7
COLUMNS = ["acc_rate", "avg_daily_trips", "conv_rate", "driver_id"]
"""What the model is fitted with, as in KServe's Feast sample."""


def history(until: datetime) -> pd.DataFrame:
    """A week of hourly statistics of every driver. The values are the same in each run."""
    rng = np.random.default_rng(7)
    rows = [
        (driver, until - timedelta(hours=hour), rng.random(), rng.random(), rng.integers(0, 1000))
        for driver in DRIVERS
        for hour in range(HOURS)
    ]
    names = ["driver_id", "event_timestamp", "conv_rate", "acc_rate", "avg_daily_trips"]
    return pd.DataFrame(rows, columns=names).astype({"conv_rate": "f4", "acc_rate": "f4"})


def orders(until: datetime) -> pd.DataFrame:
    """Orders of the past and whether the driver's trip was a success."""
    rng = np.random.default_rng(8)
    hours = rng.integers(1, HOURS, 300)
    return pd.DataFrame(
        {
            "driver_id": rng.choice(DRIVERS, 300),
            "event_timestamp": [until - timedelta(hours=int(hour)) for hour in hours],
            "trip_completed": rng.random(300),
        }
    )


def main() -> None:
    """Write `feature_repo/data` and `models/ranking.skops`."""
    (REPO / "data").mkdir(exist_ok=True)
    now = datetime.now(timezone.utc).replace(minute=0, second=0, microsecond=0)
    history(now).to_parquet(REPO / "data" / "driver_stats.parquet")
    sys.path.insert(0, str(REPO))
    import definitions

    store = FeatureStore(repo_path=str(REPO))
    store.apply([definitions.driver, definitions.stats, definitions.ranking])
    past = store.get_historical_features(
        entity_df=orders(now), features=store.get_feature_service("ranking")
    ).to_df()
    past = past.sort_values(["driver_id", "event_timestamp", "trip_completed"])
    store.materialize(now - timedelta(days=2), now + timedelta(hours=1))
    model = LinearRegression().fit(past[COLUMNS], past["trip_completed"])
    (HERE / "models").mkdir(exist_ok=True)
    skops.io.dump(model, HERE / "models" / "ranking.skops")


if __name__ == "__main__":
    main()
