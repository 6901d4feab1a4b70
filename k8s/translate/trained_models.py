"""TrainedModels → the pool of models of the InferenceService that they name."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from umbel.graph.findings import Finding
from umbel.graph.implementations import MODEL_MEMORY, ModelFile, ModelPool
from umbel.graph.ir import Graph, Node
from umbel.graph.model_pools import models_graph
from umbel.graph.options import NodeOptions
from umbel.graph.quantities import amount
from umbel.graph.steps import NodeName
from umbel.graph.value_types import Port, Signature
from umbel.k8s.resources import Loaded, Resource, TrainedModelSpec
from umbel.k8s.resources.predictor import Model
from umbel.k8s.translate.model_files import allowed_settings
from umbel.k8s.translate.names import Names, Service
from umbel.k8s.translate.placing import resources_of
from umbel.k8s.translate.scaling import batch_of, scale_of
from umbel.nodes.model_formats import FORMATS

TrainedModel = Resource[TrainedModelSpec]


def trained_models_of(service: Service, loaded: Loaded) -> list[TrainedModel]:
    """The trained models that a service serves. None for one that has a model of its own: KServe
    gives it no others."""
    model = service.spec.predictor.as_model()
    if model is None or _has_own(service, model):
        return []
    return _naming(service, loaded)


def misplaced(service: Service, loaded: Loaded) -> list[Finding]:
    """Trained models that their service cannot take."""
    model = service.spec.predictor.as_model()
    if model is not None and not _has_own(service, model):
        return []
    return [
        one.finding(
            "warning",
            "UMB-K404",
            ("spec", "inferenceService"),
            f"the service {service.name!r} has a model or a container of its own: it serves no "
            "trained models",
            "name a service whose predictor has a modelFormat and no storageUri",
        )
        for one in _naming(service, loaded)
    ]


def translate_pool(
    service: Service, names: Names, models: Sequence[TrainedModel]
) -> tuple[tuple[Graph, ...], list[Finding]]:
    """The graph that serves the models, and what umbel cannot do with them."""
    predictor = service.spec.predictor
    findings = [finding for one in models for finding in _runtime_findings(one)]
    findings += [
        _not_before(service, component)
        for component in ("transformer", "explainer")
        if getattr(service.spec, component) is not None
    ]
    declared = {one.name: int(amount(one.spec.model.memory)) for one in models}
    pool = ModelPool(
        {one.name: _file(one, service) for one in models},
        None,
        _budget(service, declared),
        {name: size for name, size in declared.items() if size},
    )
    options = NodeOptions(
        batch=batch_of(predictor),
        scale=scale_of(predictor),
        resources=resources_of(predictor),
        deterministic=False,
    )
    signature = Signature((Port("x"),), (Port("output"),))
    place = service.place("spec", "predictor")
    node = Node(NodeName("models"), "predictor", pool, signature, options, place)
    settings: dict[str, object] = {"kserve": True}
    if predictor.timeout:
        settings["timeout_s"] = float(predictor.timeout)
    return (models_graph(names.of(service), node, pool, settings),), findings


def _naming(service: Service, loaded: Loaded) -> list[TrainedModel]:
    return [
        one
        for one in loaded.trained_models
        if (one.namespace, one.spec.inference_service) == (service.namespace, service.name)
    ]


def _has_own(service: Service, model: Model) -> bool:
    uris = service.spec.predictor.storage_uris
    return bool(model.storage_uri or model.storage is not None or uris)


def _file(one: TrainedModel, service: Service) -> ModelFile:
    model = one.spec.model
    uri = model.storage_uri
    if "://" not in uri and not uri.startswith("/"):
        uri = str(Path(one.place("spec").file).resolve().parent / uri)
    annotations = {**service.annotations, **one.annotations}
    return ModelFile(model.framework, uri, "", allowed_settings(model.framework, annotations))


def _budget(service: Service, declared: Mapping[str, int]) -> int:
    """The container's limit of memory, as KServe counts. Without one, what all models together
    say they need: nobody asked for fewer to be in memory."""
    blocks = service.spec.predictor.model_blocks
    limit = blocks[0][1].resources.limits.get("memory") if blocks else None
    return int(amount(limit)) if limit else max(MODEL_MEMORY, sum(declared.values()))


def _runtime_findings(one: TrainedModel) -> list[Finding]:
    kind = one.spec.model.framework
    if kind in FORMATS:
        return []
    return [
        one.finding(
            "warning",
            "UMB-K510",
            ("spec", "model", "framework"),
            f"umbel has no runtime for the model format {kind!r}: the file is good, but the "
            "model cannot be loaded here",
            f"convert the model to one of {', '.join(sorted(FORMATS))}",
        )
    ]


def _not_before(service: Service, component: str) -> Finding:
    return service.finding(
        "warning",
        "UMB-K515",
        ("spec", component),
        f"umbel puts no {component} before trained models: requests go to the models themselves",
        f"remove the {component}, or give the model an InferenceService of its own",
    )
