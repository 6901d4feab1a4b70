"""Which scaling fields each autoscaler takes: Knative's (KPA), HPA and KEDA."""

from __future__ import annotations

from collections.abc import Iterator

from umbel.graph.findings import Finding
from umbel.graph.yaml_paths import Path
from umbel.k8s.resources.component import Component, MetricTarget, ScalingMetric
from umbel.k8s.resources.deployment_mode import autoscaler, deployment_mode
from umbel.k8s.resources.inference_service import InferenceServiceSpec
from umbel.k8s.resources.quantities import amount
from umbel.k8s.resources.resource import Resource

Service = Resource[InferenceServiceSpec]
Complaint = tuple[Path, str, str]
"""(path below the component, what is wrong, the fix)"""

_STANDARD = "set the annotation serving.kserve.io/deploymentMode: Standard"


def scaling_findings(service: Service, component: Component, path: Path) -> Iterator[Finding]:
    """What the autoscaler of the service's deployment mode refuses."""
    name, severity = autoscaler(service)
    rules = {"kpa": _kpa, "hpa": _hpa, "keda": _keda}
    for below, message, fix in rules[name](component) if name else ():
        if not service.is_broken((*path, *below)):
            yield service.finding(severity, "UMB-K215", (*path, *below), message, fix)
    yield from _canary_percent(service, component, path)


def _canary_percent(service: Service, component: Component, path: Path) -> Iterator[Finding]:
    percent = component.canary_traffic_percent
    if percent is None:
        return
    where = (*path, "canaryTrafficPercent")
    if not 0 <= percent <= 100:
        yield service.finding(
            "error",
            "UMB-K220",
            where,
            f"canaryTrafficPercent must be from 0 to 100; got {percent}",
            "use a percentage",
        )
    elif deployment_mode(service) == "Standard":
        yield service.finding(
            "warning",
            "UMB-K220",
            where,
            "canaryTrafficPercent has no effect in Standard mode: KServe ignores it",
            "use spec.canary, or deploymentMode: Knative",
        )


def _kpa(component: Component) -> Iterator[Complaint]:
    metric = component.scale_metric or "concurrency"
    if component.deployment_strategy is not None:
        yield ("deploymentStrategy",), "deploymentStrategy is for Standard mode only", _STANDARD
    if metric not in ("concurrency", "rps"):
        yield (
            ("scaleMetric",),
            f"Knative's autoscaler scales by concurrency or rps; got {metric!r}",
            f"use one of the two, or {_STANDARD} and autoscalerClass: hpa",
        )
    if metric == "rps" and component.scale_target is not None and component.scale_target < 1:
        yield (
            ("scaleTarget",),
            f"scaleTarget for rps must be at least 1; got {component.scale_target}",
            "use 1 or more",
        )


def _hpa(component: Component) -> Iterator[Complaint]:
    metric = component.scale_metric or "cpu"
    if metric not in ("cpu", "memory"):
        yield (
            ("scaleMetric",),
            f"the HPA scales by cpu or memory; got {metric!r}",
            "use one of the two, or deploymentMode: Knative",
        )
    target = component.scale_target
    if target is not None and not 1 <= target <= 100:
        yield (
            ("scaleTarget",),
            f"scaleTarget for the HPA must be from 1 to 100 (percent); got {target}",
            "use a percentage; for an amount of memory use autoScaling.metrics",
        )
    for index, one in enumerate(component.auto_scaling.metrics if component.auto_scaling else ()):
        path: Path = ("autoScaling", "metrics", index)
        if one.type and one.type != "Resource":
            yield (
                path,
                f"the HPA takes only metrics of type Resource; got {one.type}",
                "use Resource, or autoscalerClass: keda",
            )
        elif one.type and one.resource is None:
            yield path, "a metric of type Resource needs 'resource'", "add 'resource:' with name"


def _keda(component: Component) -> Iterator[Complaint]:
    if component.scale_metric is not None:
        yield (
            ("scaleMetric",),
            "KEDA does not take scaleMetric",
            "describe the metric in autoScaling.metrics",
        )
    for index, one in enumerate(component.auto_scaling.metrics if component.auto_scaling else ()):
        path: Path = ("autoScaling", "metrics", index)
        if one.type == "Resource":
            yield from _keda_resource(one, path)
        elif one.type:
            yield from _keda_query(one, path)


def _keda_resource(metric: ScalingMetric, path: Path) -> Iterator[Complaint]:
    if metric.resource is None:
        yield path, "a metric of type Resource needs 'resource'", "add 'resource:' with name"
        return
    name, target = metric.resource.name, metric.resource.target
    where = (*path, "resource", "target")
    allowed = {"cpu": ("Utilization",), "memory": ("AverageValue", "Utilization")}.get(name, ())
    if allowed and target.type not in allowed:
        got = repr(target.type) if target.type else "none"
        yield (
            where,
            f"the target type for {name} must be {' or '.join(allowed)}; got {got}",
            f"set 'type: {allowed[0]}'",
        )
        return
    if name == "memory" and target.average_value is not None and _below_mebi(target):
        yield (
            where,
            f"the memory target must be at least 1Mi; got {target.average_value}",
            "write it with a unit, as 500Mi",
        )
    yield from _target(target, where)


def _keda_query(metric: ScalingMetric, path: Path) -> Iterator[Complaint]:
    field = "external" if metric.type == "External" else "podmetric"
    source = metric.external if field == "external" else metric.podmetric
    if source is None:
        yield path, f"a metric of type {metric.type} needs {field!r}", f"add '{field}:'"
        return
    if not source.metric.get("query"):
        yield (*path, field, "metric"), "the metric needs a query", "add 'query:'"
    if source.target.value is None:
        yield (*path, field, "target"), "the target needs a value", "add 'value:'"
    yield from _target(source.target, (*path, field, "target"))


def _target(target: MetricTarget, path: Path) -> Iterator[Complaint]:
    field, value = {
        "Utilization": ("averageUtilization", target.average_utilization),
        "AverageValue": ("averageValue", target.average_value),
        "Value": ("value", target.value),
    }.get(target.type, ("", ""))
    if value is None:
        yield path, f"a target of type {target.type} needs {field}", f"add '{field}:'"
    elif field == "averageUtilization" and isinstance(value, int) and not 1 <= value <= 100:
        yield (
            (*path, field),
            f"averageUtilization must be from 1 to 100 (percent); got {value}",
            "use a percentage",
        )


def _below_mebi(target: MetricTarget) -> bool:
    return target.average_value is not None and amount(target.average_value) < 2**20
