"""AnchorTabular through a graph and called by hand, in turn on the same rows; and what
concurrent explanations do to predictions when the explainer has replicas of its own.

    python benchmarks/explainers.py             # the ratio, in process
    python benchmarks/explainers.py --ray       # also predictions beside four explanations, on Ray
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import socket
import statistics
import subprocess
import sys
import threading
import time
import urllib.request
import warnings
from pathlib import Path

import numpy as np
from sklearn.datasets import load_breast_cancer
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression

from umbel import Tensor, explainer, predictor

GOAL, GOAL_P99 = 1.5, 2.0
ROWS = (3, 40, 77, 135, 300)
DATA = load_breast_cancer()
X = (DATA.data - DATA.data.mean(axis=0)) / DATA.data.std(axis=0)
OPTIONS = {"coverage_samples": 2000, "threshold": 0.9, "max_anchor_size": 3}
GRAPH = Path(__file__).parent / "graphs" / "explained.py"
Table = Tensor["batch", 30]
Labels = Tensor["batch"]


def ratio(name: str, model: object, rounds: int) -> float:
    """Seconds through the graph over seconds by hand, the median of pairs taken in turn."""
    from umbel.explainers.alibi_library import AnchorTabular

    @predictor
    def tumour(x: Table) -> Labels:
        return model.predict(x)

    why = explainer("alibi-anchor-tabular", of=tumour, train=X)
    names = [f"f{i}" for i in range(X.shape[1])]
    direct = AnchorTabular(model.predict, names, seed=0, dtype=X.dtype).fit(X)
    why(X[:1], OPTIONS)
    ratios = []
    for _ in range(rounds):
        for row in ROWS:
            start = time.perf_counter()
            np.random.seed(0)
            by_hand = direct.explain(X[row], **OPTIONS)
            between = time.perf_counter()
            found = why(X[row : row + 1], OPTIONS)
            ratios.append((time.perf_counter() - between) / (between - start))
            assert not found["budget"]["partial"]
            assert found["data"]["anchor"] == by_hand.anchor
    middle = statistics.median(ratios)
    print(
        f"{name}: through the graph {middle:.2f} times alibi by hand "
        f"({min(ratios):.2f} to {max(ratios):.2f}, {len(ratios)} pairs; goal {GOAL})"
    )
    return middle


def beside_explanations(seconds: float) -> float:
    """The p99 of predictions beside four explanations over that without, on embedded Ray."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [sys.executable, "-m", "umbel", "run", str(GRAPH), "--port", str(port), "--no-grpc"]
    server = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=os.environ)
    try:
        print(server.stdout.readline().strip())
        base = f"http://127.0.0.1:{port}/tumours/v1/models/tumours"
        post(f"{base}:explain", {"instances": [X[3].tolist()], "parameters": OPTIONS})
        alone = p99(base, seconds)
        done = threading.Event()
        explained: list[float] = []
        threads = [threading.Thread(target=keep, args=(base, done, explained)) for _ in range(4)]
        for thread in threads:
            thread.start()
        time.sleep(1)
        beside = p99(base, seconds)
        done.set()
        for thread in threads:
            thread.join()
    finally:
        server.send_signal(signal.SIGTERM)
        server.wait(60)
    print(
        f"predict p99: {alone * 1e3:.2f} ms alone, {beside * 1e3:.2f} ms beside 4 explanations "
        f"({len(explained)} explained): {beside / alone:.2f} times (goal {GOAL_P99})"
    )
    return beside / alone


def keep(base: str, done: threading.Event, explained: list[float]) -> None:
    """Explain until it is over."""
    while not done.is_set():
        start = time.perf_counter()
        row = X[ROWS[len(explained) % len(ROWS)]].tolist()
        post(f"{base}:explain", {"instances": [row], "parameters": OPTIONS})
        explained.append(time.perf_counter() - start)


def p99(base: str, seconds: float) -> float:
    """Of single rows, one after the other."""
    taken: list[float] = []
    end = time.perf_counter() + seconds
    body = {"instances": [X[3].tolist()]}
    while time.perf_counter() < end:
        start = time.perf_counter()
        post(f"{base}:predict", body)
        taken.append(time.perf_counter() - start)
    return float(np.quantile(taken, 0.99))


def post(url: str, body: object) -> object:
    request = urllib.request.Request(url, json.dumps(body).encode())
    with urllib.request.urlopen(request, timeout=120) as reply:
        return json.loads(reply.read())


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--ray", action="store_true", help="also predictions beside explanations")
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--seconds", type=float, default=10)
    asked = parser.parse_args()
    warnings.simplefilter("ignore")
    linear = LogisticRegression(max_iter=500).fit(X, DATA.target)
    forest = RandomForestClassifier(20, random_state=0).fit(X, DATA.target)
    met = ratio("logistic regression", linear, asked.rounds) <= GOAL
    met &= ratio("random forest of 20", forest, asked.rounds) <= GOAL
    if asked.ray:
        met &= beside_explanations(asked.seconds) <= GOAL_P99
    return 0 if met else 1


if __name__ == "__main__":
    sys.exit(main())
