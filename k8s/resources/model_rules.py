"""Whether every model finds a serving runtime, and every trained model a service."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence

from umbel.graph.findings import Finding
from umbel.graph.yaml_paths import Path
from umbel.k8s.resources.deployment_mode import deployment_mode
from umbel.k8s.resources.inference_service import InferenceServiceSpec
from umbel.k8s.resources.legacy import DEPLOYMENT_MODE
from umbel.k8s.resources.names import name_findings
from umbel.k8s.resources.predictor import Predictor
from umbel.k8s.resources.resource import Resource
from umbel.k8s.resources.runtimes import Runtime, RuntimeChoice, select_runtime
from umbel.k8s.resources.trained_model import TrainedModelSpec

TRAINED_MODEL_SCHEMES = ("s3", "gs", "https", "http")

SCHEMES_HERE = ("", "file", "hf")
"""What a laptop has. KServe's webhook takes none of them for a trained model."""

Service = Resource[InferenceServiceSpec]


def runtime_of(
    predictor: Predictor, namespace: str, runtimes: Sequence[Runtime]
) -> RuntimeChoice | Finding | None:
    """The runtime that serves a predictor's model; None for a custom container."""
    model = predictor.as_model()
    if model is None:
        return None
    return select_runtime(
        model.model_format.name,
        model.model_format.version,
        model.protocol_version,
        model.runtime,
        False,
        namespace,
        runtimes,
        multi_node=predictor.worker_spec is not None,
    )


def model_findings(service: Service, runtimes: Sequence[Runtime]) -> Iterator[Finding]:
    """A model without a format, and one that no runtime serves."""
    if deployment_mode(service) == "ModelMesh":
        yield service.finding(
            "warning",
            "UMB-K225",
            ("metadata", "annotations", DEPLOYMENT_MODE),
            "ModelMesh is no longer developed; umbel serves the model on its own",
            "remove the annotation, or use Standard",
        )
        return
    yield from _served(service, service.spec.predictor, ("spec", "predictor"), runtimes)
    for index, canary in enumerate(service.spec.canary):
        path: Path = ("spec", "canary", index, "predictor")
        yield from _served(service, canary.predictor, path, runtimes)


def trained_model_findings(
    model: Resource[TrainedModelSpec], services: Sequence[Service]
) -> Iterator[Finding]:
    """The trained-model webhook's rules, and a service that is not in the files."""
    yield from name_findings(model, "UMB-K401")
    uri = model.spec.model.storage_uri
    path: Path = ("spec", "model", "storageUri")
    scheme = uri.partition("://")[0] if "://" in uri else ""
    if scheme not in TRAINED_MODEL_SCHEMES and not model.is_broken(path):
        here = scheme in SCHEMES_HERE
        yield model.finding(
            "warning" if here else "error",
            "UMB-K402",
            path,
            f"the storage URI must start with one of "
            f"{', '.join(f'{one}://' for one in TRAINED_MODEL_SCHEMES)}; got {uri!r}"
            f"{', which umbel reads and a cluster refuses' if here else ''}",
            "put the model there, or give it an InferenceService of its own",
        )
    wanted = model.spec.inference_service
    known = {one.name for one in services if one.namespace == model.namespace}
    if wanted and wanted not in known:
        yield model.finding(
            "warning",
            "UMB-K403",
            ("spec", "inferenceService"),
            f"the service {wanted!r} is not among these resources: it must already be running",
            "add its file, or check the name",
        )


def _served(
    service: Service, predictor: Predictor, path: Path, runtimes: Sequence[Runtime]
) -> Iterator[Finding]:
    blocks = predictor.model_blocks
    if len(blocks) != 1:
        return
    name = blocks[0][0]
    where: Path = (*path, name)
    if name == "model":
        where = (*where, "modelFormat")
        if service.is_broken(where):
            return
        if predictor.model is not None and not predictor.model.model_format.name:
            yield service.finding(
                "error",
                "UMB-K218",
                where,
                "the model has no modelFormat",
                "add 'modelFormat:' with a name, as sklearn",
            )
            return
        if predictor.model is not None and predictor.model.runtime is not None:
            where = (*path, name, "runtime")
    choice = runtime_of(predictor, service.namespace, runtimes)
    if isinstance(choice, Finding):
        yield dataclasses.replace(choice, place=service.place(*where), subject=service.subject)
