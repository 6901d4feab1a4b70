"""What one replica counts, in Prometheus' text form at ``/NAME/metrics``.

Fed from the request's own record when it ends, so that nothing is measured twice and a node
call costs no more than its line on the request context.
"""

from __future__ import annotations

from collections.abc import Iterable

from prometheus_client import CollectorRegistry, Counter, generate_latest

from umbel.nodes.loaded import LoadedNode
from umbel.nodes.request_context import RequestContext
from umbel.serving.background import BackgroundCalls
from umbel.serving.pool_metrics import PoolFigures, PoolMetrics, figures_of
from umbel.serving.request_counts import RequestCounts


class Metrics:
    """The counters and histograms of one process, for all its graphs."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.answered = 0
        """All requests so far."""
        self._counts = RequestCounts()
        self.registry.register(self._counts)
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
        self._pools = PoolMetrics()
        self.registry.register(self._pools)
        self._seen: dict[tuple[str, str], int] = {}

    def record(self, graph: str, status: int, seconds: float, context: RequestContext) -> None:
        """Count one request with its node calls."""
        self.answered += 1
        counts = self._counts
        counts.requests[graph, status] += 1
        counts.seconds[graph].add(seconds)
        for call in context.calls:
            counts.node_seconds[call.graph, call.node].add(call.seconds)
            if call.outcome != "ok":
                counts.node_failures[call.graph, call.node, call.outcome] += 1

    def text(
        self,
        nodes: Iterable[LoadedNode],
        background: BackgroundCalls | None = None,
        pools: Iterable[PoolFigures] = (),
    ) -> bytes:
        """Everything in Prometheus' text form; caches and mirrors are read now. ``pools``: those
        in other processes."""
        nodes = tuple(nodes)
        self._pools.figures = [*figures_of(nodes), *pools]
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
