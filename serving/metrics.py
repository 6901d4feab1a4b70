"""What one replica counts, in Prometheus' text form at ``/NAME/metrics``.

Fed from the request's own record when it ends, so that nothing is measured twice and a node
call costs no more than its line on the request context.
"""

from __future__ import annotations

from collections.abc import Iterable

from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest

from umbel.nodes.loaded import LoadedNode
from umbel.nodes.request_context import RequestContext
from umbel.serving.background import BackgroundCalls

SECONDS = (
    0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0,
)  # fmt: skip
"""Upper bounds of the histograms' buckets: from half a millisecond, a light graph's time."""


class Metrics:
    """The counters and histograms of one process, for all its graphs."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.answered = 0
        """All requests so far."""
        self._requests = Counter(
            "umbel_requests", "Requests answered", ["graph", "status"], registry=self.registry
        )
        self._seconds = Histogram(
            "umbel_request_seconds",
            "Time from body to answer",
            ["graph"],
            buckets=SECONDS,
            registry=self.registry,
        )
        self._node_seconds = Histogram(
            "umbel_node_seconds",
            "Time of one node call",
            ["graph", "node"],
            buckets=SECONDS,
            registry=self.registry,
        )
        self._node_failures = Counter(
            "umbel_node_failures",
            "Node calls that failed",
            ["graph", "node", "reason"],
            registry=self.registry,
        )
        self._cached = Counter(
            "umbel_cache_requests",
            "Requests of cached nodes: hit, miss, or joined with an equal one in flight",
            ["node", "outcome"],
            registry=self.registry,
        )
        self._mirrored = Counter(
            "umbel_mirrored",
            "Calls of mirror steps: started, dropped since too many were under way, failed",
            ["outcome"],
            registry=self.registry,
        )
        self._seen: dict[tuple[str, str], int] = {}

    def record(self, graph: str, status: int, seconds: float, context: RequestContext) -> None:
        """Count one request with its node calls."""
        self.answered += 1
        self._requests.labels(graph, str(status)).inc()
        self._seconds.labels(graph).observe(seconds)
        for call in context.calls:
            self._node_seconds.labels(call.graph, call.node).observe(call.seconds)
            if call.outcome != "ok":
                self._node_failures.labels(call.graph, call.node, call.outcome).inc()

    def text(self, nodes: Iterable[LoadedNode], background: BackgroundCalls | None = None) -> bytes:
        """Everything in Prometheus' text form; caches and mirrors are read now."""
        for node in nodes:
            if node.cache is None:
                continue
            counts = {
                "hit": node.cache.hits,
                "miss": node.cache.misses,
                "joined": node.cache.joined,
            }
            for outcome, count in counts.items():
                key = (node.node.name, outcome)
                self._cached.labels(*key).inc(self._since(key, count))
        if background is not None and background.used:
            for outcome in ("started", "dropped", "failed"):
                count = getattr(background, outcome)
                self._mirrored.labels(outcome).inc(self._since(("", outcome), count))
        return generate_latest(self.registry)

    def _since(self, key: tuple[str, str], count: int) -> int:
        """How much a count has grown since it was last asked for."""
        grown = count - self._seen.get(key, 0)
        self._seen[key] = count
        return grown
