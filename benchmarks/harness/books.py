"""Measurements as they stand in `results.json`, looked up and compared."""

from __future__ import annotations

import statistics
from collections import defaultdict
from collections.abc import Mapping
from typing import Any

Key = tuple[str, str, str, float]
"""Workload, server, loop, level."""


class Books:
    """``data``: the parsed `results.json`."""

    def __init__(self, data: Mapping[str, Any]) -> None:
        self.data = data
        self._rounds: dict[Key, dict[int, dict[str, Any]]] = defaultdict(dict)
        for m in data["measurements"]:
            self._rounds[m["workload"], m["server"], m["loop"], float(m["level"])][m["round"]] = m

    def workloads(self) -> list[str]:
        """In the order they were measured."""
        return list(dict.fromkeys(m["workload"] for m in self.data["measurements"]))

    def servers(self, workload: str) -> list[str]:
        """In the order of the first round."""
        found = (m["server"] for m in self.data["measurements"] if m["workload"] == workload)
        return list(dict.fromkeys(found))

    def levels(self, workload: str, loop: str) -> list[float]:
        """All levels of a loop, lowest first."""
        return sorted({key[3] for key in self._rounds if (key[0], key[2]) == (workload, loop)})

    def median(self, key: Key, figure: str) -> float | None:
        """The median over the rounds."""
        values = [m[figure] for m in self._rounds.get(key, {}).values()]
        return statistics.median(values) if values else None

    def worst(self, key: Key, figure: str) -> float | None:
        """The highest of the rounds."""
        values = [m[figure] for m in self._rounds.get(key, {}).values()]
        return max(values) if values else None

    def errors(self, key: Key) -> int:
        """Requests without the right answer, in all rounds."""
        rounds = self._rounds.get(key, {}).values()
        return sum(m["failed"] + m["wrong"] + m["unanswered"] for m in rounds)

    def kept_up(self, key: Key) -> bool:
        """In the open loop: in every round, the answers came in bearable time."""
        rounds = self._rounds.get(key, {}).values()
        return all(not (m["overrun"] or m["unanswered"] or m["p99"] >= 1000) for m in rounds)

    def ratio(self, ours: Key, theirs: Key, figure: str) -> tuple[float, float, float] | None:
        """Ours over theirs within a round: median, lowest and highest over the rounds."""
        mine, other = self._rounds.get(ours, {}), self._rounds.get(theirs, {})
        values = [
            mine[number][figure] / other[number][figure]
            for number in mine.keys() & other.keys()
            if other[number][figure]
        ]
        return (statistics.median(values), min(values), max(values)) if values else None

    def cost_of_a_node(self, server: str) -> float | None:
        """Milliseconds that one more node adds to the median latency of one client: the slope
        of a line through the chains of every length, by least squares."""
        points = []
        for length in (1, 2, 4, 8):
            p50 = self.median((f"chain-{length}", server, "closed", 1.0), "p50")
            if p50 is not None:
                points.append((length, p50))
        if len(points) < 2:
            return None
        slope, _ = statistics.linear_regression(*zip(*points, strict=True))
        return slope

    def start(self, workload: str, server: str, figure: str) -> float | None:
        """A figure of the start, the median over the rounds."""
        values = [
            s[figure]
            for s in self.data["starts"]
            if (s["workload"], s["server"]) == (workload, server)
        ]
        return statistics.median(values) if values else None
