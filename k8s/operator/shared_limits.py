"""What a namespace may ask of a Ray cluster that it shares with others.

A cluster of its own bounds it by quotas, and its code runs in its own pods. Here all replicas are
processes of the same pods, so whoever runs the operator says who may bring code, and how much of
the cluster one resource can ask for.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from umbel.graph.findings import Finding, Place
from umbel.k8s.operator.settings import OperatorSettings
from umbel.k8s.operator.world import Raw, noted

CODE, REPLICAS = "UMB-K714", "UMB-K715"

_COMPONENTS = ("predictor", "transformer", "explainer")
_LOADS = ("model-sha256", "explainer-sha256", "trusted-types", "allow-pickle")
_CLASSES = tuple(f"{name}-class" for name in _COMPONENTS)


def limits(raw: Raw, models: Iterable[Raw], settings: OperatorSettings) -> list[Finding]:
    """What a service and its trained models may not have, each with what to do."""
    found = []
    namespace = str(raw["metadata"].get("namespace", ""))
    if settings.own_code_of and namespace not in settings.own_code_of:
        for path in [one for each in (raw, *models) for one in own_code(each)]:
            text = f"{path} runs code of the namespace {namespace!r}, which this Ray is not for"
            fix = (
                "use a format that holds no code (skops, ONNX, safetensors, UBJSON), or ask "
                f"whoever runs the operator for `--own-code-of {namespace}`"
            )
            found.append(Finding("error", CODE, text, Place(path=path), fix))
    for path, count in replicas_asked(raw):
        if count > settings.most_replicas:
            text = f"{path} is {count}; on a Ray cluster that is shared at most"
            text += f" {settings.most_replicas} replicas always run"
            fix = f"ask for fewer, or whoever runs the operator for `--most-replicas {count}`"
            found.append(Finding("error", REPLICAS, text, Place(path=path), fix))
    return found


def own_code(raw: Raw) -> Iterator[str]:
    """Where a resource asks for code of its own to run in a replica: classes, and model files
    that are allowed to hold some."""
    for name, value in sorted(noted(raw).items()):
        short = name.removeprefix("umbel.dev/")
        if short != name and short in (*_LOADS, *_CLASSES) and str(value).lower() != "false":
            yield f"metadata.annotations[{name}]"
    spec = raw.get("spec") or {}
    for name in _COMPONENTS:
        component = spec.get(name)
        if isinstance(component, Mapping) and component.get("containers"):
            yield f"spec.{name}.containers"
    for index, one in enumerate(_canaries(spec)):
        if one.get("containers"):
            yield f"spec.canary[{index}].predictor.containers"


def replicas_asked(raw: Raw) -> Iterator[tuple[str, int]]:
    """The replicas that are to run whether or not anybody asks."""
    spec = raw.get("spec") or {}
    components = {f"spec.{name}": spec.get(name) for name in _COMPONENTS}
    components |= {f"spec.canary[{n}].predictor": one for n, one in enumerate(_canaries(spec))}
    for path, component in components.items():
        least = component.get("minReplicas") if isinstance(component, Mapping) else None
        if isinstance(least, int):
            yield f"{path}.minReplicas", least


def _canaries(spec: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    found = [one.get("predictor") for one in spec.get("canary") or () if isinstance(one, Mapping)]
    return [one if isinstance(one, Mapping) else {} for one in found]
