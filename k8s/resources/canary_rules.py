"""The rules for ``spec.canary``: predictors that share the traffic with the stable one."""

from __future__ import annotations

from collections.abc import Iterator

from umbel.graph.findings import Finding
from umbel.graph.yaml_paths import Path
from umbel.k8s.resources.deployment_mode import deployment_mode
from umbel.k8s.resources.inference_service import Canary, InferenceServiceSpec
from umbel.k8s.resources.legacy import DEPLOYMENT_MODE
from umbel.k8s.resources.predictor import Predictor
from umbel.k8s.resources.resource import Resource

CODE = "UMB-K217"

Service = Resource[InferenceServiceSpec]


def canary_findings(service: Service) -> Iterator[Finding]:
    """Nothing for a service without ``spec.canary``."""
    canaries, path = service.spec.canary, ("spec", "canary")
    if not canaries:
        return
    if deployment_mode(service) != "Standard":
        yield service.finding(
            "error",
            CODE,
            path,
            "spec.canary needs the deployment mode Standard",
            f"set the annotation {DEPLOYMENT_MODE}: Standard",
        )
    total = sum(one.traffic_percent for one in canaries)
    if total > 100:
        yield service.finding(
            "error",
            CODE,
            path,
            f"the canaries get {total} % of the traffic together",
            "let trafficPercent sum to at most 100; the stable predictor gets the rest",
        )
    yield from _names(service)
    for index, one in enumerate(canaries):
        yield from _entry(service, one, (*path, index))


def _names(service: Service) -> Iterator[Finding]:
    stable = service.spec.predictor.name
    if not stable:
        yield service.finding(
            "error",
            CODE,
            ("spec", "predictor", "name"),
            "with spec.canary the stable predictor needs a name",
            "add 'name: stable'",
        )
    seen = {stable} if stable else set()
    for index, one in enumerate(service.spec.canary):
        path: Path = ("spec", "canary", index, "predictor", "name")
        name = one.predictor.name
        if not name:
            yield service.finding(
                "error", CODE, path, f"canary {index} has no predictor.name", "add 'name:'"
            )
        elif name in seen:
            yield service.finding(
                "error",
                CODE,
                path,
                f"the predictor name {name!r} is used twice",
                "give each variant its own name",
            )
        seen.add(name)


def _entry(service: Service, canary: Canary, path: Path) -> Iterator[Finding]:
    predictor: Predictor = canary.predictor
    if not 0 <= canary.traffic_percent <= 100:
        yield service.finding(
            "error",
            CODE,
            (*path, "trafficPercent"),
            f"trafficPercent must be from 0 to 100; got {canary.traffic_percent}",
            "use a percentage",
        )
    yield from _forbidden(service, predictor, path)
    blocks = [name for name, _ in predictor.model_blocks]
    if len(blocks) > 1:
        yield service.finding(
            "error",
            CODE,
            (*path, "predictor"),
            f"a canary may have one model block; got {', '.join(blocks)}",
            "keep one",
        )
    stable = service.spec.predictor.min_replicas
    most = 1 if stable is None else stable
    if predictor.min_replicas is not None and predictor.min_replicas > most:
        yield service.finding(
            "error",
            CODE,
            (*path, "predictor", "minReplicas"),
            f"minReplicas ({predictor.min_replicas}) is greater than the stable predictor's "
            f"({most})",
            f"use {most} or less",
        )


def _forbidden(service: Service, predictor: Predictor, path: Path) -> Iterator[Finding]:
    for field, given in (
        ("workerSpec", predictor.worker_spec is not None),
        ("maxReplicas", predictor.max_replicas != 0),
        ("scaleTarget", predictor.scale_target is not None),
        ("scaleMetric", predictor.scale_metric is not None),
        ("autoScaling", predictor.auto_scaling is not None),
    ):
        if given:
            yield service.finding(
                "error",
                CODE,
                (*path, "predictor", field),
                f"a canary may not have {field}",
                "remove it; canaries scale by their share of the traffic",
            )
