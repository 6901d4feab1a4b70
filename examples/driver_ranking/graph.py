"""Drivers in, drivers with a score and a rank out. The features come from Feast."""

from __future__ import annotations

import os
from typing import Any

import numpy as np

from umbel import Tensor, inference_graph, predictor, transformer
from umbel.transformers.feast_features import feast_features

SERVER = os.environ.get("FEAST_SERVER", "")
"""A feature server's URL. Without one, the repository beside this file is read."""

COLUMNS = ["acc_rate", "avg_daily_trips", "conv_rate", "driver_id"]

drivers = feast_features(
    "" if SERVER else "feature_repo",
    url=SERVER,
    features="ranking",
    entities={"driver_id": "int"},
    columns=COLUMNS,
    on_missing="fail",
    on_failure="fail",
    timeout_s=2.0,
)

score = predictor("sklearn", uri="models/ranking.skops", name="score")

Scores = Tensor["float64", "batch"]


@transformer
def ranked(rows: dict[str, Any], scores: Scores) -> dict[str, Any]:
    """The best driver has rank 1."""
    ranks = np.empty(len(scores), np.int64)
    ranks[np.argsort(-scores, kind="stable")] = np.arange(1, len(scores) + 1)
    return {"driver_id": rows["driver_id"], "score": np.round(scores, 6), "rank": ranks}


@inference_graph(name="driver-ranking")
def driver_ranking(x: Any) -> Any:
    """Features, score, rank."""
    rows = drivers(x)
    return ranked(rows, score(rows))
