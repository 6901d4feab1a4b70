"""What a file asks of a rollout, which manifests alone cannot do: it is told."""

from __future__ import annotations

from collections.abc import Iterator

from umbel.graph.findings import Finding
from umbel.graph.yaml_paths import Path
from umbel.k8s.resources import Loaded

CODE = "UMB-K711"

_FIX = "apply the resource where umbel's operator runs: it divides the traffic"


def rollout_notes(loaded: Loaded) -> Iterator[Finding]:
    """A note for each service whose traffic the operator would divide: a share for a new
    revision needs the one before, which no file has, and canaries are applications beside."""
    for service in loaded.inference_services:
        predictor, path = service.spec.predictor, ("spec", "predictor", "canaryTrafficPercent")
        percent = predictor.canary_traffic_percent
        if percent is not None and percent < 100:
            told = (
                f"these manifests give the new revision all traffic, not {percent} %: a file does "
                "not say what ran before"
            )
            yield service.finding("notice", CODE, path, told, _FIX)
        for index, canary in enumerate(service.spec.canary):
            where: Path = ("spec", "canary", index)
            told = f"the canary {canary.predictor.name!r} is not among these manifests"
            yield service.finding("notice", CODE, where, told, _FIX)
