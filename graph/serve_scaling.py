"""``Scale`` → the words Ray Serve's configuration has for replicas and autoscaling.

Pure, and here rather than with the Ray backend: manifests say the same words.
"""

from __future__ import annotations

from typing import Any

from umbel.graph.options import Scale

CONCURRENCY_TARGET = 2.0
"""Requests in flight for each replica where no target is named: Ray's own default."""

TARGETS = {"rps": 100.0, "cpu": 80.0, "memory": 80.0}
"""Targets where none is named; cpu is KServe's default."""


def replicas(scale: Scale) -> dict[str, Any]:
    """Options of a deployment: a fixed number, or an autoscaler."""
    if scale.min == scale.ceiling:
        return {"num_replicas": scale.min}
    config: dict[str, Any] = {
        "min_replicas": scale.min,
        "max_replicas": scale.ceiling,
        "initial_replicas": scale.min,
        "target_ongoing_requests": CONCURRENCY_TARGET,
        "upscale_delay_s": 1.0,
        "downscale_delay_s": 20.0,
        "metrics_interval_s": 0.5,
        "look_back_period_s": 2.0,
    }
    if scale.metric == "concurrency":
        config["target_ongoing_requests"] = scale.target or CONCURRENCY_TARGET
    else:
        target = scale.target or TARGETS[scale.metric]
        config["policy"] = {
            "policy_function": "umbel.serving.load_policy:LoadPolicy",
            "policy_kwargs": {"metric": scale.metric, "target": target},
        }
    return {"autoscaling_config": config}
