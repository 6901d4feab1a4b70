"""What pools of models hold and did, as Prometheus' metrics: per node, and per replica of it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from umbel.nodes.loaded import LoadedNode
from umbel.nodes.model_pool import LoadedPool
from umbel.nodes.resident_models import Counts

LABELS = ["node", "replica"]


@dataclass(frozen=True)
class PoolFigures:
    """One pool in one replica. ``replica`` is empty where pool and graph share a process."""

    node: str
    replica: str
    models: int
    bytes: int
    budget: int
    counts: Counts


def figures_of(nodes: Iterable[LoadedNode], replica: str = "") -> list[PoolFigures]:
    """Those of the pools among ``nodes``."""
    return [
        PoolFigures(
            one.node.name,
            replica,
            len(one.models.names),
            one.models.used,
            one.models.budget,
            one.models.counts,
        )
        for one in nodes
        if isinstance(one, LoadedPool)
    ]


class PoolMetrics(Collector):
    """The figures last set."""

    def __init__(self) -> None:
        self.figures: list[PoolFigures] = []

    def collect(self) -> Iterator[Metric]:
        """Gauges of what is in memory, counters of what happened."""
        if not self.figures:
            return
        gauges = {
            "umbel_pool_models": ("Models in memory", "models"),
            "umbel_pool_bytes": ("Bytes that the models in memory take", "bytes"),
            "umbel_pool_budget_bytes": ("Bytes that they may take", "budget"),
        }
        for name, (text, field) in gauges.items():
            gauge = GaugeMetricFamily(name, text, labels=LABELS)
            for one in self.figures:
                gauge.add_metric([one.node, one.replica], getattr(one, field))
            yield gauge
        requests = CounterMetricFamily(
            "umbel_pool_requests",
            "Requests of models: hit, or miss, which waits for a load",
            labels=[*LABELS, "outcome"],
        )
        for one in self.figures:
            requests.add_metric([one.node, one.replica, "hit"], one.counts.hits)
            requests.add_metric([one.node, one.replica, "miss"], one.counts.misses)
        yield requests
        counters = {
            "umbel_pool_loads": ("Models loaded", "loads"),
            "umbel_pool_load_failures": ("Loads that failed", "failures"),
            "umbel_pool_load_seconds": ("Time of all loads, downloads included", "load_seconds"),
            "umbel_pool_evictions": ("Models taken out for others", "evictions"),
        }
        for name, (text, field) in counters.items():
            counter = CounterMetricFamily(name, text, labels=LABELS)
            for one in self.figures:
                counter.add_metric([one.node, one.replica], getattr(one.counts, field))
            yield counter
