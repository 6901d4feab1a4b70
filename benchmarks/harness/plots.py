"""The results as pictures: latency over load, cost over chain length, throughput.

python -m harness.plots results/…/results.json   (needs matplotlib: the peers' environment)
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import matplotlib

matplotlib.use("Agg")

from matplotlib import pyplot

from harness.books import Books

LENGTHS = (1, 2, 4, 8)


def draw(results: Path) -> list[Path]:
    """Writes the pictures beside the results; gives their paths."""
    books = Books(json.loads(results.read_text(encoding="utf-8")))
    made = [_save(results, "cost-over-chain-length", lambda axes: _chain(books, axes))]
    for workload in books.workloads():
        if books.levels(workload, "open"):
            name = f"latency-over-load-{workload}"
            made.append(_save(results, name, lambda axes, w=workload: _load(books, w, axes)))  # type: ignore[misc]
        made.append(
            _save(results, f"closed-{workload}", lambda axes, w=workload: _closed(books, w, axes))  # type: ignore[misc]
        )
    return [path for path in made if path is not None]


def _chain(books: Books, axes: Any) -> bool:
    names = dict.fromkeys(s for n in LENGTHS for s in books.servers(f"chain-{n}"))
    for server in names:
        points = [
            (n, p50)
            for n in LENGTHS
            if (p50 := books.median((f"chain-{n}", server, "closed", 1.0), "p50")) is not None
        ]
        if len(points) > 1:
            axes.plot(*zip(*points, strict=True), marker="o", label=server)
    axes.set(xlabel="nodes in the chain", ylabel="p50 with one client, ms", yscale="log")
    axes.set_xticks(LENGTHS)
    return bool(axes.lines)


def _load(books: Books, workload: str, axes: Any) -> bool:
    for server in books.servers(workload):
        keys = [(workload, server, "open", rate) for rate in books.levels(workload, "open")]
        points = [
            (key[3], books.median(key, "p50"), books.median(key, "p99"))
            for key in keys
            if books.median(key, "p50") is not None and books.kept_up(key)
        ]
        if points:
            rates, p50, p99 = zip(*points, strict=True)
            (line,) = axes.plot(rates, p50, marker="o", label=f"{server}, p50")
            axes.plot(rates, p99, marker=".", linestyle=":", color=line.get_color())
    axes.set(
        xlabel="requests a second, by chance (a line ends where the server cannot keep up)",
        ylabel="latency in ms: p50, dotted p99",
        yscale="log",
    )
    return bool(axes.lines)


def _closed(books: Books, workload: str, axes: Any) -> bool:
    for server in books.servers(workload):
        keys = [(workload, server, "closed", level) for level in books.levels(workload, "closed")]
        points = [(books.median(key, "rps"), books.median(key, "p50")) for key in keys]
        axes.plot(*zip(*points, strict=True), marker="o", label=server)
    axes.set(
        xlabel="requests a second (one point for each number of clients)",
        ylabel="p50, ms", xscale="log", yscale="log",
    )  # fmt: skip
    return bool(axes.lines)


def _save(results: Path, name: str, plot: Callable[[Any], bool]) -> Path | None:
    figure, axes = pyplot.subplots(figsize=(8, 5))
    try:
        if not plot(axes):
            return None
        axes.set_title(name.replace("-", " "))
        axes.grid(visible=True, which="both", alpha=0.3)
        axes.legend(fontsize="small")
        path = results.with_name(f"{name}.png")
        figure.savefig(path, dpi=120, bbox_inches="tight")
        return path
    finally:
        pyplot.close(figure)


if __name__ == "__main__":
    for written in draw(Path(sys.argv[1])):
        print(written)
