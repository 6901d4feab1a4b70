"""Counts of requests and node calls, kept as plain numbers until they are asked for.

A request is recorded on the serving loop, several numbers each time: a dictionary and a
bisection here cost a tenth of what labelled metric objects with a lock do.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Iterator

from prometheus_client.core import CounterMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector

SECONDS = (
    0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0,
)  # fmt: skip
"""Upper bounds of the histograms' buckets: from half a millisecond, a light graph's time."""


class Durations:
    """A histogram of times in seconds."""

    __slots__ = ("in_bucket", "total")

    def __init__(self) -> None:
        self.in_bucket = [0] * (len(SECONDS) + 1)
        self.total = 0.0

    def add(self, seconds: float) -> None:
        """Count one time. An upper bound belongs to its bucket."""
        self.in_bucket[bisect_left(SECONDS, seconds)] += 1
        self.total += seconds

    def buckets(self) -> list[tuple[str, float]]:
        """``(upper bound, how many up to it)``, as Prometheus counts."""
        bounds = [*map(str, SECONDS), "+Inf"]
        reached, found = 0, []
        for bound, count in zip(bounds, self.in_bucket, strict=True):
            reached += count
            found.append((bound, float(reached)))
        return found


class RequestCounts(Collector):
    """What one process answered. Written from the serving loop alone, and read there."""

    def __init__(self) -> None:
        self.requests: defaultdict[tuple[str, int], int] = defaultdict(int)
        """By graph and status."""
        self.seconds: defaultdict[str, Durations] = defaultdict(Durations)
        """By graph."""
        self.node_seconds: defaultdict[tuple[str, str], Durations] = defaultdict(Durations)
        """By graph and node."""
        self.node_failures: defaultdict[tuple[str, str, str], int] = defaultdict(int)
        """By graph, node and the error's type."""

    def collect(self) -> Iterator[Metric]:
        """The counts as Prometheus' metrics."""
        requests = CounterMetricFamily(
            "umbel_requests", "Requests answered", labels=["graph", "status"]
        )
        for (graph, status), count in self.requests.items():
            requests.add_metric([graph, str(status)], count)
        yield requests
        seconds = HistogramMetricFamily(
            "umbel_request_seconds", "Time from body to answer", labels=["graph"]
        )
        for graph, times in self.seconds.items():
            seconds.add_metric([graph], times.buckets(), times.total)
        yield seconds
        node_seconds = HistogramMetricFamily(
            "umbel_node_seconds", "Time of one node call", labels=["graph", "node"]
        )
        for labels, times in self.node_seconds.items():
            node_seconds.add_metric([*labels], times.buckets(), times.total)
        yield node_seconds
        failures = CounterMetricFamily(
            "umbel_node_failures", "Node calls that failed", labels=["graph", "node", "reason"]
        )
        for reasons, count in self.node_failures.items():
            failures.add_metric([*reasons], count)
        yield failures
