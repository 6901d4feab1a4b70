"""The rules for a predictor that spans several machines (``workerSpec``)."""

from __future__ import annotations

from collections.abc import Iterator

from umbel.graph.findings import Finding
from umbel.graph.yaml_paths import Path
from umbel.k8s.resources.container import Container
from umbel.k8s.resources.container_rules import (
    ACCELERATOR_FIX,
    PARALLEL_SIZES,
    parallel_sizes,
    unknown_accelerators,
)
from umbel.k8s.resources.deployment_mode import AUTOSCALER_CLASS
from umbel.k8s.resources.inference_service import InferenceServiceSpec
from umbel.k8s.resources.predictor import Model
from umbel.k8s.resources.resource import Resource

CODE = "UMB-K204"

Service = Resource[InferenceServiceSpec]


def multi_node_findings(service: Service) -> Iterator[Finding]:
    """Nothing for a predictor without workerSpec."""
    predictor = service.spec.predictor
    worker = predictor.worker_spec
    if worker is None:
        return
    path: Path = ("spec", "predictor", "workerSpec")
    if len(worker.containers) > 1:
        yield service.finding(
            "error",
            CODE,
            (*path, "containers"),
            f"workerSpec may have one container; got {len(worker.containers)}",
            "keep one",
        )
    yield from parallel_sizes(
        service, CODE, path, worker.pipeline_parallel_size, worker.tensor_parallel_size
    )
    for index, container in enumerate(worker.containers):
        yield from _accelerators(service, container, (*path, "containers", index))
    if predictor.model is not None:
        yield from _model(service, predictor.model, ("spec", "predictor", "model"))


def _model(service: Service, model: Model, path: Path) -> Iterator[Finding]:
    for name in PARALLEL_SIZES:
        if model.env_value(name) is not None:
            yield service.finding(
                "error",
                CODE,
                (*path, "env"),
                f"{name} must not be set in the environment",
                "set pipelineParallelSize or tensorParallelSize in workerSpec",
            )
    yield from _accelerators(service, model, path)
    scheme = (model.storage_uri or "").partition("://")[0]
    if scheme not in ("pvc", "oci"):
        got = repr(model.storage_uri) if model.storage_uri else "none"
        yield service.finding(
            "error",
            CODE,
            (*path, "storageUri"),
            f"a multi-node predictor needs a storageUri with pvc:// or oci://; got {got}",
            "put the model on a volume all machines can mount, as pvc://claim/path",
        )
    scaler = service.annotations.get(AUTOSCALER_CLASS)
    if scaler != "none":
        yield service.finding(
            "error",
            CODE,
            ("metadata", "annotations", AUTOSCALER_CLASS),
            f"a multi-node predictor is not autoscaled; got {scaler or 'no autoscalerClass'}",
            f'set the annotation {AUTOSCALER_CLASS}: "none"',
        )


def _accelerators(service: Service, container: Container, path: Path) -> Iterator[Finding]:
    for kind in unknown_accelerators(container, service.annotations):
        yield service.finding(
            "error", CODE, (*path, "resources"), f"unknown GPU resource {kind!r}", ACCELERATOR_FIX
        )
