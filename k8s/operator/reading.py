"""Resources from the API server, read with the same code as files."""

from __future__ import annotations

import json
from functools import lru_cache

from umbel.graph.findings import Finding
from umbel.k8s.operator.world import Raw, World
from umbel.k8s.resources import Loaded, RuntimeChoice, available_runtimes, load, runtime_of


def bare(raw: Raw) -> dict[str, object]:
    """The resource without what the API server adds and without its status."""
    metadata = {
        key: value
        for key, value in raw["metadata"].items()
        if key in ("name", "namespace", "annotations", "labels", "creationTimestamp", "uid")
    }
    rest = {key: value for key, value in raw.items() if key not in ("metadata", "status")}
    return {**rest, "metadata": metadata}


def loaded(*raws: Raw) -> Loaded:
    """The typed form of a few resources."""
    return _loaded(tuple(json.dumps(bare(one), sort_keys=True) for one in raws))


@lru_cache(maxsize=8192)
def _loaded(texts: tuple[str, ...]) -> Loaded:
    return load([(f"/{number}.yaml", text) for number, text in enumerate(texts)])


def chosen_runtime(service: Raw, world: World) -> tuple[str, str] | None:
    """Name and namespace of the runtime that serves the model; None for a container, and where
    none fits."""
    near = world.runtimes_near(service["metadata"].get("namespace", ""))
    return _chosen(
        json.dumps(bare(service), sort_keys=True),
        tuple(json.dumps(bare(one), sort_keys=True) for one in near),
    )


@lru_cache(maxsize=8192)
def _chosen(service: str, runtimes: tuple[str, ...]) -> tuple[str, str] | None:
    services = _loaded((service,)).inference_services
    if not services:
        return None
    known = available_runtimes(_loaded(runtimes).runtimes)
    choice: RuntimeChoice | Finding | None = runtime_of(
        services[0].spec.predictor, services[0].namespace, known
    )
    return (choice.name, choice.runtime.namespace) if isinstance(choice, RuntimeChoice) else None
