"""Models whose explainers have replicas of their own: one fused, one with replicas of its own too,
whose explainer may run in another environment (``UMBEL_TEST_PYTHON``).

Each prediction leaves a line in the file ``UMBEL_TEST_LOG``: process, numpy, rows.
"""

from __future__ import annotations

import json
import os
from typing import Any

import numpy as np
from sklearn.datasets import load_breast_cancer
from sklearn.linear_model import LogisticRegression

from umbel import Scale, Tensor, explainer, inference_graph, predictor

DATA = load_breast_cancer()
X = (DATA.data - DATA.data.mean(axis=0)) / DATA.data.std(axis=0)
MODEL = LogisticRegression(max_iter=500).fit(X, DATA.target)
OPTIONS = {"coverage_samples": 500, "threshold": 0.9, "max_anchor_size": 3}
Rows = Tensor["float64", "batch", 30]
Labels = Tensor["batch"]
_PYTHON = os.environ.get("UMBEL_TEST_PYTHON", "")


def note(who: str, rows: int) -> None:
    line = json.dumps({"who": who, "pid": os.getpid(), "numpy": np.__version__, "rows": rows})
    with open(os.environ["UMBEL_TEST_LOG"], "a") as file:
        file.write(line + "\n")


def answer(x: Any) -> Any:
    note("model", len(x))
    return MODEL.predict(x)


@predictor
def fused(x: Rows) -> Labels:
    return answer(x)


@predictor(fuse="never")
def remote(x: Rows) -> Labels:
    return answer(x)


@inference_graph(explainer=explainer("alibi-anchor-tabular", train=X, scale=Scale(min=1, max=1)))
def beside(x: Rows) -> Labels:
    return fused(x)


@inference_graph(
    explainer=explainer(
        "alibi-anchor-tabular", train=X, env={"py_executable": _PYTHON} if _PYTHON else {}
    )
)
def elsewhere(x: Rows) -> Labels:
    return remote(x)
