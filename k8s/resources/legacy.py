"""Reads the resources of older KServe and KFServing and turns them into today's.

Three things changed over the years: the API group (``serving.kubeflow.org``), the shape of an
InferenceService before v1beta1 (``default`` and ``canary`` endpoints, ``custom.container``),
and its name before that (``KFService``).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from umbel.graph.yaml_paths import Path, path_text
from umbel.k8s.resources.predictor import FRAMEWORKS
from umbel.k8s.resources.resource import Move

OLD_GROUPS = ("serving.kubeflow.org", "kfserving.kubeflow.org")
GROUP = "serving.kserve.io"
DEPLOYMENT_MODE = "serving.kserve.io/deploymentMode"

_COMPONENTS = ("predictor", "transformer", "explainer")


@dataclass
class Conversion:
    """Today's form of an old resource.

    ``done`` says what was converted, in words; ``lost`` what could not be, each with its path
    in the file and the reason.
    """

    data: dict[str, Any]
    done: list[str] = field(default_factory=list)
    lost: list[tuple[Path, str]] = field(default_factory=list)
    moves: list[Move] = field(default_factory=list)

    def move(self, new: Path, old: Path) -> None:
        if new != old:
            self.moves.append(Move(new, old))


def convert(data: dict[str, Any], kind: str, group: str, version: str) -> Conversion | None:
    """The resource in today's form; None if it already is or nothing is known about it."""
    if group not in (GROUP, *OLD_GROUPS):
        return None
    endpoints = kind == "KFService" or (kind == "InferenceService" and version != "v1beta1")
    if group == GROUP and not endpoints:
        return None
    conversion = Conversion(dict(data))
    today = {"KFService": "InferenceService"}.get(kind, kind)
    conversion.data["kind"] = today
    conversion.data["apiVersion"] = (
        f"{GROUP}/v1beta1" if today == "InferenceService" else f"{GROUP}/v1alpha1"
    )
    before, after = f"{kind} {group}/{version}", f"{today} {conversion.data['apiVersion']}"
    conversion.done.append(f"{before} read as {after}")
    spec = data.get("spec")
    if today == "InferenceService" and isinstance(spec, dict):
        if endpoints and ("default" in spec or "canary" in spec):
            conversion.data["spec"] = _endpoints(conversion, spec, flat=version == "v1alpha1")
        else:
            conversion.data["spec"] = _components(conversion, spec, ("spec",), ("spec",))
    return conversion


def _endpoints(conversion: Conversion, spec: dict[str, Any], flat: bool) -> dict[str, Any]:
    """``default`` and ``canary`` as the service and its ``canary`` list."""
    canary = spec.get("canary")
    converted = _endpoint(conversion, spec.get("default"), ("spec",), ("spec", "default"), flat)
    conversion.done.append("spec.default became the service itself")
    rest = {key: value for key, value in spec.items() if key not in ("default", "canary")}
    percent = rest.pop("canaryTrafficPercent", None)
    if isinstance(canary, dict):
        share: Path = ("spec", "canaryTrafficPercent")
        if flat and "trafficPercent" in canary:
            canary = dict(canary)
            percent = canary.pop("trafficPercent")
            share = ("spec", "canary", "trafficPercent")
        converted = _with_canary(conversion, converted, canary, percent, flat)
        conversion.move(("spec", "canary", 0, "trafficPercent"), share)
    elif percent:
        conversion.lost.append(
            (("spec", "canaryTrafficPercent"), "there is no canary that could get the traffic")
        )
    return {**rest, **converted}


def _with_canary(
    conversion: Conversion, spec: dict[str, Any], canary: dict[str, Any], percent: Any, flat: bool
) -> dict[str, Any]:
    new, old = ("spec", "canary", 0), ("spec", "canary")
    conversion.move(new, old)
    other = _endpoint(conversion, canary, new, old, flat)
    for name in ("transformer", "explainer"):
        if name in other:
            conversion.lost.append(
                ((*old, name), f"a canary is only a predictor today; spec.default's {name} is used")
            )
    if isinstance(spec.get("predictor"), dict) and isinstance(other.get("predictor"), dict):
        spec = {**spec, "predictor": {"name": "default", **spec["predictor"]}}
        other["predictor"] = {"name": "canary", **other["predictor"]}
    given = conversion.data.get("metadata")
    metadata = dict(given) if isinstance(given, dict) else {}
    annotations = metadata.get("annotations") or {}
    if isinstance(annotations, dict):
        metadata["annotations"] = {DEPLOYMENT_MODE: "Standard", **annotations}
    conversion.data["metadata"] = metadata
    entry = {"predictor": other.get("predictor"), "trafficPercent": percent or 0}
    conversion.done.append(
        f"spec.canary became spec.canary[0] with {entry['trafficPercent']} % of the traffic"
    )
    return {**spec, "canary": [entry]}


def _endpoint(
    conversion: Conversion, endpoint: Any, new: Path, old: Path, flat: bool
) -> dict[str, Any]:
    """The components of an endpoint. In v1alpha1 the endpoint is the predictor itself."""
    if not isinstance(endpoint, dict):
        return {}
    if flat and "predictor" not in endpoint:
        conversion.move((*new, "predictor"), old)
        return {"predictor": _component(conversion, endpoint, (*new, "predictor"), old)}
    return _components(conversion, endpoint, new, old)


def _components(
    conversion: Conversion, endpoint: dict[str, Any], new: Path, old: Path
) -> dict[str, Any]:
    converted = dict(endpoint)
    for name in _COMPONENTS:
        component = endpoint.get(name)
        if isinstance(component, dict):
            conversion.move((*new, name), (*old, name))
            converted[name] = _component(conversion, component, (*new, name), (*old, name))
    return converted


def _component(
    conversion: Conversion, component: dict[str, Any], new: Path, old: Path
) -> dict[str, Any]:
    converted = dict(component)
    for before, after in (("parallelism", "containerConcurrency"), ("tensorrt", "triton")):
        if before in converted and after not in converted:
            converted[after] = converted.pop(before)
            conversion.move((*new, after), (*old, before))
            conversion.done.append(f"{path_text((*old, before))} became {after}")
    custom = converted.pop("custom", None)
    if isinstance(custom, dict):
        inner = isinstance(custom.get("container"), dict)
        converted["containers"] = [custom["container"] if inner else custom]
        source = (*old, "custom", "container") if inner else (*old, "custom")
        conversion.move((*new, "containers", 0), source)
        conversion.move((*new, "containers"), (*old, "custom"))
        conversion.done.append(f"{path_text(source)} became containers[0]")
    for name in FRAMEWORKS:
        block = converted.get(name)
        if isinstance(block, dict):
            source = (*old, "tensorrt") if name not in component else (*old, name)
            converted[name] = _block(conversion, block, (*new, name), source)
    return converted


def _block(conversion: Conversion, block: dict[str, Any], new: Path, old: Path) -> dict[str, Any]:
    converted = dict(block)
    if "modelUri" in converted and "storageUri" not in converted:
        converted["storageUri"] = converted.pop("modelUri")
        conversion.move((*new, "storageUri"), (*old, "modelUri"))
        conversion.done.append(f"{path_text((*old, 'modelUri'))} became storageUri")
    if "modelClassName" in converted:
        del converted["modelClassName"]
        conversion.lost.append(
            ((*old, "modelClassName"), "a model archive brings its own class today")
        )
    return converted
