"""Scaling by requests per second, CPU or memory: what Ray Serve's own autoscaler does not have.

Runs in Serve's controller. Replicas report their load (``record_autoscaling_stats``); Serve
applies bounds and delays to what the policy wants.
"""

from __future__ import annotations

import math
import os
import time
from typing import Any, Literal

import psutil

Metric = Literal["rps", "cpu", "memory"]


class LoadPolicy:
    """As many replicas as bring the load of each to ``target``: requests per second of one
    replica, or percent of a core or of the machine's memory."""

    def __init__(self, metric: Metric, target: float) -> None:
        self.metric, self.target = metric, target

    def __call__(self, ctx: Any) -> tuple[int, dict[str, Any]]:
        """Ray Serve's policy protocol: wanted replicas and state to keep."""
        return self.wanted(
            list((ctx.aggregated_metrics or {}).get(self.metric, {}).values()),
            running=ctx.current_num_replicas,
            waiting=ctx.total_num_requests,
        ), {}

    def wanted(self, loads: list[float], *, running: int, waiting: float) -> int:
        """Replicas for these loads. With none running, waiting requests start one."""
        if not running:
            return 1 if waiting > 0 else 0
        if not loads:
            return running
        total = sum(loads) * running / len(loads)  # a replica that has not reported counts as mean
        if self.metric == "memory" and not waiting and total <= self.target:
            return 1
        return math.ceil(total / self.target - 1e-9) or (1 if waiting > 0 else 0)


class LoadGauge:
    """One replica's load since it was last asked. ``answered`` is its running total."""

    def __init__(self) -> None:
        self._process = psutil.Process(os.getpid())
        self._process.cpu_percent()
        self._last, self._seen = time.monotonic(), 0

    def read(self, answered: int) -> dict[str, float]:
        """Requests per second, percent of a core, percent of the machine's memory."""
        now = time.monotonic()
        seconds, requests = max(now - self._last, 1e-3), answered - self._seen
        self._last, self._seen = now, answered
        return {
            "rps": requests / seconds,
            "cpu": self._process.cpu_percent(),
            "memory": self._process.memory_percent(),
        }
