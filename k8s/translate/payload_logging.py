"""A component's ``logger`` → where a graph's payloads go."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from urllib.parse import urlsplit

from umbel.k8s.resources.component import Component, Logger
from umbel.k8s.translate.names import Service

Warn = Callable[[str, tuple[str, ...], str, str], None]
"""Takes code, path, message and fix."""


def payload_logs(service: Service, warn: Warn) -> dict[str, object]:
    """The sinks of a service's graph: ``predictor`` for what clients ask, ``explainer`` for
    what they ask to be explained. What cannot be logged is told."""
    found: dict[str, object] = {}
    inner = service.spec.transformer is not None
    for name, component in service.spec.components:
        logger = component.logger
        if logger is None:
            continue
        where = ("spec", name, "logger")
        if name == "predictor" and inner:
            told = "the predictor behind a transformer is called without HTTP: it is not logged"
            warn("UMB-K517", where, told, "move the logger to the transformer")
        elif urlsplit(logger.url).scheme not in ("http", "https"):
            told = f"payloads go to a sink over HTTP: nothing is logged to {logger.url!r}"
            warn("UMB-K517", (*where, "url"), told, "url: http://SINK.NAMESPACE/")
        else:
            key = "explainer" if name == "explainer" else "predictor"
            found[key] = _sink(service, name, component, logger)
    return found


def _sink(service: Service, name: str, component: Component, logger: Logger) -> dict[str, object]:
    extensions = {
        "inferenceservicename": service.name,
        "namespace": service.namespace,
        "component": name,
        "endpoint": "default",
    }
    notes = dict(_annotations(service, component, logger))
    if notes:
        extensions["annotations"] = json.dumps(notes, sort_keys=True, separators=(",", ":"))
    return {
        "url": logger.url,
        "mode": logger.mode or "all",
        "headers": list(logger.metadata_headers),
        "extensions": extensions,
    }


def _annotations(
    service: Service, component: Component, logger: Logger
) -> Iterator[tuple[str, str]]:
    there = {**service.annotations, **component.annotations}
    for key in logger.metadata_annotations:
        if key in there:
            yield key, str(there[key])
