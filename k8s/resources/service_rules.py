"""The rules of KServe's InferenceService webhook, each an error."""

from __future__ import annotations

from collections.abc import Iterator

from umbel.graph.findings import Finding
from umbel.graph.yaml_paths import Path
from umbel.k8s.resources.canary_rules import canary_findings
from umbel.k8s.resources.component import Component, Logger
from umbel.k8s.resources.container_rules import blocked_in, blocked_variables
from umbel.k8s.resources.deployment_mode import AUTOSCALER_CLASS, AUTOSCALERS
from umbel.k8s.resources.explainer import EXPLAINER_BLOCKS, Explainer
from umbel.k8s.resources.field_check import closest
from umbel.k8s.resources.inference_service import InferenceServiceSpec
from umbel.k8s.resources.multi_node_rules import multi_node_findings
from umbel.k8s.resources.names import name_findings
from umbel.k8s.resources.predictor import FRAMEWORKS, Predictor
from umbel.k8s.resources.resource import Resource
from umbel.k8s.resources.scaling_rules import scaling_findings
from umbel.k8s.resources.storage_rules import storage_findings

Service = Resource[InferenceServiceSpec]

LOG_MODES = ("all", "request", "response")


def service_findings(service: Service) -> Iterator[Finding]:
    """Everything the webhook would refuse; it stops at the first, this does not."""
    yield from name_findings(service, "UMB-K201")
    yield from _autoscaler(service)
    yield from multi_node_findings(service)
    for name, component in service.spec.components:
        path: Path = ("spec", name)
        yield from _implementations(service, component, path)
        yield from _variables(service, component, path)
        yield from _bounds(service, component, path)
        yield from _containers(service, component, path)
        yield from scaling_findings(service, component, path)
        yield from storage_findings(service, component, path)
        if component.logger is not None:
            yield from _logger(service, component.logger, (*path, "logger"))
    yield from _predictor(service, service.spec.predictor, ("spec", "predictor"))
    yield from canary_findings(service)


def _autoscaler(service: Service) -> Iterator[Finding]:
    value = service.annotations.get(AUTOSCALER_CLASS)
    if value is not None and value not in AUTOSCALERS:
        guess = closest(value, AUTOSCALERS)
        yield service.finding(
            "error",
            "UMB-K202",
            ("metadata", "annotations", AUTOSCALER_CLASS),
            f"unknown autoscaler class {value!r}; there are {', '.join(AUTOSCALERS)}",
            f"did you mean {guess!r}?" if guess else "use one of them, or remove the annotation",
        )


def implementations(component: Component) -> tuple[str, ...]:
    """The fields that say what a component runs; exactly one is right.

    Beside a model block a predictor may have helpers in ``containers``, only not one called
    kserve-container, which is the model's own.
    """
    given = [] if not component.containers else ["containers"]
    if isinstance(component, Predictor):
        blocks = [name for name, _ in component.model_blocks]
        if blocks and component.container("kserve-container") is None:
            given = []
        return (*blocks, *given)
    if isinstance(component, Explainer):
        return (*(name for name, _ in component.blocks), *given)
    return tuple(given)


def _implementations(service: Service, component: Component, path: Path) -> Iterator[Finding]:
    given = implementations(component)
    if len(given) == 1 or service.is_broken(path):
        return
    transformer = service.spec.transformer
    if not given and isinstance(component, Predictor) and transformer and transformer.containers:
        yield service.finding(
            "warning",
            "UMB-K210",
            path,
            "there is no predictor: umbel serves the transformer alone, KServe refuses this",
            "add 'model:' with modelFormat and storageUri to have it behind the transformer",
        )
        return
    if any(service.is_broken((*path, name)) for name in (*FRAMEWORKS, "model", "containers")):
        return
    possible, fix = "containers", "add 'containers:' with an image"
    if isinstance(component, Predictor):
        possible = f"model, {', '.join(FRAMEWORKS)} or containers"
        fix = "add 'model:' with modelFormat and storageUri"
    elif isinstance(component, Explainer):
        possible = f"{', '.join(EXPLAINER_BLOCKS)} or containers"
    got = f"got {len(given)}: {', '.join(given)}" if given else "there is none"
    yield service.finding(
        "error",
        "UMB-K210",
        path,
        f"the {path[-1]} must have exactly one of {possible}; {got}",
        f"keep one of {', '.join(given)}" if given else fix,
    )


def _variables(service: Service, component: Component, path: Path) -> Iterator[Finding]:
    yield from blocked_variables(service, "UMB-K203", component, path)
    if isinstance(component, Predictor):
        for name, block in component.model_blocks:
            yield from blocked_in(service, "UMB-K203", block, (*path, name))
        if component.worker_spec is not None:
            yield from blocked_variables(
                service, "UMB-K203", component.worker_spec, (*path, "workerSpec")
            )
    if isinstance(component, Explainer):
        for name, explainer in component.blocks:
            yield from blocked_in(service, "UMB-K203", explainer, (*path, name))


def _bounds(service: Service, component: Component, path: Path) -> Iterator[Finding]:
    for name, value in (
        ("minReplicas", component.min_replicas),
        ("maxReplicas", component.max_replicas),
    ):
        if value is not None and value < 0:
            yield service.finding(
                "error",
                "UMB-K211",
                (*path, name),
                f"{name} must not be negative; got {value}",
                "use 0 or more" + (" (0 scales to zero)" if name == "minReplicas" else ""),
            )
    lowest = 1 if component.min_replicas is None else component.min_replicas
    if lowest > component.max_replicas > 0:
        yield service.finding(
            "error",
            "UMB-K211",
            (*path, "maxReplicas"),
            f"minReplicas ({lowest}) is greater than maxReplicas ({component.max_replicas})",
            f"set maxReplicas to {lowest} or more, or to 0 for no limit",
        )
    limit = component.container_concurrency
    if limit is not None and limit < 0:
        yield service.finding(
            "error",
            "UMB-K212",
            (*path, "containerConcurrency"),
            f"containerConcurrency must not be negative; got {limit}",
            "use 0 for no limit",
        )


def _containers(service: Service, component: Component, path: Path) -> Iterator[Finding]:
    if len(component.containers) < 2:
        return
    for index, container in enumerate(component.containers):
        if not container.name:
            yield service.finding(
                "error",
                "UMB-K224",
                (*path, "containers", index),
                f"container {index} of {len(component.containers)} has no name",
                "add 'name:'; the one that serves is called kserve-container",
            )


def _logger(service: Service, logger: Logger, path: Path) -> Iterator[Finding]:
    if logger.mode not in LOG_MODES and not service.is_broken((*path, "mode")):
        yield service.finding(
            "error",
            "UMB-K213",
            path,
            "the logger has no mode, which KServe refuses",
            f"add 'mode:' with one of {', '.join(LOG_MODES)}",
        )
    if logger.storage is None:
        return
    missing = [
        name
        for name, value in (
            ("path", logger.storage.path),
            ("parameters", logger.storage.parameters),
            ("key", logger.storage.key),
        )
        if value is None
    ]
    if missing:
        yield service.finding(
            "error",
            "UMB-K213",
            (*path, "storage"),
            f"the logger's storage needs path, parameters and key; {', '.join(missing)} missing",
            f"add {', '.join(missing)}",
        )


def _predictor(service: Service, predictor: Predictor, path: Path) -> Iterator[Finding]:
    for name, block in predictor.model_blocks:
        if block.name:
            yield service.finding(
                "error",
                "UMB-K206",
                (*path, name, "name"),
                f"{name} may not have a name; got {block.name!r}",
                "remove it; the container is always called kserve-container",
            )
    for index, container in enumerate(predictor.containers):
        if container.name == "transformer-container" and container.env_value("STORAGE_URI"):
            yield service.finding(
                "error",
                "UMB-K205",
                (*path, "containers", index),
                "'transformer-container' has STORAGE_URI, but only the model's container may "
                "have one",
                "move STORAGE_URI to kserve-container",
            )
