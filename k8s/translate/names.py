"""Names: what a resource is served as, and what a service is reached by."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from umbel.graph.steps import GraphName
from umbel.k8s.resources import (
    InferenceServiceSpec,
    Loaded,
    Resource,
    RuntimeChoice,
    available_runtimes,
    runtime_of,
)

STOP = "serving.kserve.io/stop"
SERVICE_URLS = "umbel.dev/service-urls"
"""On an InferenceGraph: a JSON object from service names to URLs, for services that are
neither in the files nor reachable under their cluster name."""

Service = Resource[InferenceServiceSpec]


def is_stopped(resource: Resource[Any]) -> bool:
    """True if the resource asks not to run."""
    return str(resource.annotations.get(STOP, "")).lower() == "true"


class Names:
    """Graph names for all resources of some files.

    A resource is served under its own name; the second of a name, in another namespace, under
    ``namespace.name``.
    """

    def __init__(self, loaded: Loaded, urls: Mapping[str, str] | None = None) -> None:
        """``urls``: where services that are not in the files are reached, by ``NAME`` or
        ``NAMESPACE/NAME``."""
        self._loaded, self._urls = loaded, urls or {}
        self._services = {(s.namespace, s.name): s for s in loaded.inference_services}
        self._graphs = {(g.namespace, g.name) for g in loaded.inference_graphs}
        self._served: dict[tuple[str, str, str], GraphName] = {}
        taken: set[str] = set()
        for resource in (*loaded.inference_services, *loaded.inference_graphs):
            name = resource.name
            if name in taken:
                name = f"{resource.namespace}.{name}"
            taken.add(name)
            self._served[resource.kind, resource.namespace, resource.name] = GraphName(name)

    def of(self, resource: Resource[Any]) -> GraphName:
        """What a resource is served as."""
        return self._served[resource.kind, resource.namespace, resource.name]

    def service(
        self, namespace: str, name: str, protocol: str = ""
    ) -> tuple[GraphName, str] | None:
        """The graph and path that a ``serviceName`` means, ``None`` if it is not in the files.
        ``protocol``, if given, is spoken rather than the service's own."""
        found = self._services.get((namespace, name))
        if found is not None:
            return self.of(found), predict_path(found, self._loaded, protocol)
        if (namespace, name) in self._graphs:
            return self._served["InferenceGraph", namespace, name], ""
        return None

    def service_url(self, graph: Resource[Any], name: str, protocol: str = "") -> str:
        """Where a service that is not in the files is reached, by ``protocol`` or V1."""
        try:
            urls: Any = json.loads(graph.annotations.get(SERVICE_URLS, "{}"))
        except ValueError:
            urls = {}
        if isinstance(urls, Mapping) and isinstance(urls.get(name), str):
            return str(urls[name])
        path = f"v2/models/{name}/infer" if protocol == "v2" else f"v1/models/{name}:predict"
        given = self._urls.get(f"{graph.namespace}/{name}") or self._urls.get(name)
        base = given.rstrip("/") if given else f"http://{name}.{graph.namespace}"
        return f"{base}/{path}"


def model_name(service: Service) -> str:
    """The model's name in paths, as KServe's graph controller works it out."""
    transformer = service.spec.transformer
    if transformer is not None and transformer.containers:
        named = transformer.containers[0].argument("--model_name")
        if named:
            return named
    predictor = service.spec.predictor
    container = (
        predictor.model_blocks[0][1] if predictor.model_blocks else (predictor.custom_container)
    )
    if container is not None:
        named = container.env_value("MLSERVER_MODEL_NAME") or container.argument("--model_name")
        if named:
            return named
    return service.name


def protocol(service: Service, loaded: Loaded) -> str:
    """``v1``, ``v2`` or a gRPC protocol: what graphs speak with the service."""
    transformer = service.spec.transformer
    if transformer is not None:
        first = transformer.containers[0] if transformer.containers else None
        return (first.env_value("PROTOCOL") if first else None) or "v1"
    model = service.spec.predictor.as_model()
    if model is None:
        container = service.spec.predictor.custom_container
        return (container.env_value("PROTOCOL") if container else None) or "v1"
    runtimes = available_runtimes(loaded.runtimes)
    choice = runtime_of(service.spec.predictor, service.namespace, runtimes)
    if model.protocol_version:
        return model.protocol_version
    if isinstance(choice, RuntimeChoice):
        plain = [p for p in choice.runtime.spec.protocol_versions if p in ("v1", "v2")]
        return plain[0] if plain else choice.protocol
    return "v1"


def predict_path(service: Service, loaded: Loaded, asked: str = "") -> str:
    """The path below the service that a graph posts to."""
    spoken = asked or protocol(service, loaded)
    if spoken == "v1":
        return f"/v1/models/{model_name(service)}:predict"
    if spoken == "v2":
        return f"/v2/models/{model_name(service)}/infer"
    return ""
