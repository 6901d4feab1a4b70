"""Draws replicas and requests over time: JSON on stdin, an SVG at the path given."""

from __future__ import annotations

import json
import sys
from collections import Counter

import matplotlib

matplotlib.use("svg")
matplotlib.rcParams["svg.hashsalt"] = "umbel"
import matplotlib.pyplot as plt  # noqa: E402


def main() -> None:
    data = json.load(sys.stdin)
    figure, (above, below) = plt.subplots(2, 1, sharex=True, figsize=(8, 4.5))
    times = [at for at, _, _ in data["replicas"]]
    above.step(times, [w for _, w, _ in data["replicas"]], where="post", label="wanted", ls="--")
    above.step(times, [r for _, _, r in data["replicas"]], where="post", label="ready")
    above.set_ylabel("replicas")
    above.set_ylim(-0.2, 3.4)
    above.legend(loc="upper right")
    ended = Counter(int(at + latency) for at, latency, _ in data["requests"])
    seconds = range(int(max(times)) + 1)
    below.plot(list(seconds), [ended[second] for second in seconds])
    below.set_ylabel("answers per second")
    below.set_xlabel("seconds")
    figure.tight_layout()
    figure.savefig(sys.argv[1], metadata={"Date": None})


if __name__ == "__main__":
    main()
