"""InferenceServices between ``v1alpha2`` and ``v1beta1``, there and back without loss.

What one version cannot say travels in an annotation, and counts for as long as the rest of the
object is what it was made into.
"""

from __future__ import annotations

import copy
import json
from collections.abc import Mapping
from typing import Any

from umbel.graph.errors import UmbelError
from umbel.k8s.resources.legacy import DEPLOYMENT_MODE, GROUP, convert
from umbel.k8s.resources.predictor import FRAMEWORKS

Raw = Mapping[str, Any]

OLD, TODAY = f"{GROUP}/v1alpha2", f"{GROUP}/v1beta1"

NOTE = "umbel.dev/converted-from"
"""Annotation: the ``spec`` in the version it was written in, where the other one says less."""

_COMPONENTS = ("predictor", "transformer", "explainer")


class CannotConvert(UmbelError):
    """No way leads from one version to the other."""


def converted(raw: Raw, desired: str) -> dict[str, Any]:
    """The object in version ``desired``. Raises ``CannotConvert``.

    Name, namespace, uid and all other metadata but annotations stay, as Kubernetes demands.
    """
    version = str(raw.get("apiVersion"))
    if version == desired:
        return copy.deepcopy(dict(raw))
    if raw.get("kind") != "InferenceService" or {version, desired} != {OLD, TODAY}:
        raise CannotConvert(f"{raw.get('kind')} {version} cannot become {desired}")
    note = _note(raw)
    plain = _without_note(raw)
    if note is not None:
        earlier = {**plain, "apiVersion": desired, "spec": note}
        if _turned(earlier, version)["spec"] == plain.get("spec"):
            return earlier
    made = _turned(plain, desired)
    if _turned(made, version).get("spec") != plain.get("spec"):
        annotations = dict(made["metadata"].get("annotations") or {})
        annotations[NOTE] = json.dumps(plain.get("spec"), sort_keys=True)
        made["metadata"] = {**made["metadata"], "annotations": annotations}
    return made


def _turned(raw: Raw, desired: str) -> dict[str, Any]:
    return _up(raw) if desired == TODAY else _down(raw)


def _up(raw: Raw) -> dict[str, Any]:
    conversion = convert(copy.deepcopy(dict(raw)), "InferenceService", GROUP, "v1alpha2")
    if conversion is None:
        raise CannotConvert(f"{raw.get('apiVersion')} is not known")
    made = {**conversion.data, "apiVersion": TODAY}
    return {**made, "metadata": {**(made.get("metadata") or {})}}


def _down(raw: Raw) -> dict[str, Any]:
    spec = copy.deepcopy(dict(raw.get("spec") or {}))
    canaries = spec.pop("canary", None) or []
    default = {name: _old(spec.pop(name)) for name in _COMPONENTS if name in spec}
    made: dict[str, Any] = {"default": default, **spec}
    if len(canaries) == 1 and isinstance(canaries[0], Mapping):
        made["canary"] = {"predictor": _old(canaries[0].get("predictor") or {})}
        made["canaryTrafficPercent"] = canaries[0].get("trafficPercent", 0)
    metadata = dict(raw.get("metadata") or {})
    annotations = dict(metadata.get("annotations") or {})
    if canaries and annotations.get(DEPLOYMENT_MODE) == "Standard":
        del annotations[DEPLOYMENT_MODE]
        metadata["annotations"] = annotations
    return {**raw, "apiVersion": OLD, "metadata": metadata, "spec": made}


def _old(component: Any) -> Any:
    """A component as v1alpha2 wrote it: a block named after the format, ``custom``."""
    if not isinstance(component, Mapping):
        return component
    made = dict(component)
    model = made.get("model")
    if isinstance(model, Mapping):
        name = (model.get("modelFormat") or {}).get("name")
        if name in FRAMEWORKS:
            del made["model"]
            made[name] = {key: value for key, value in model.items() if key != "modelFormat"}
    containers = made.get("containers")
    if isinstance(containers, list) and len(containers) == 1:
        made["custom"] = {"container": made.pop("containers")[0]}
    if made.get("name") in ("default", "canary"):
        del made["name"]
    if "containerConcurrency" in made:
        made["parallelism"] = made.pop("containerConcurrency")
    return made


def _note(raw: Raw) -> Any:
    text = ((raw.get("metadata") or {}).get("annotations") or {}).get(NOTE)
    try:
        found = json.loads(text) if isinstance(text, str) else None
    except ValueError:
        return None
    return found if isinstance(found, dict) else None


def _without_note(raw: Raw) -> dict[str, Any]:
    made = copy.deepcopy(dict(raw))
    metadata = made.get("metadata") or {}
    annotations = {k: v for k, v in (metadata.get("annotations") or {}).items() if k != NOTE}
    if "annotations" in metadata:
        metadata = {**metadata, "annotations": annotations}
        if not annotations:
            del metadata["annotations"]
    return {**made, "metadata": metadata}
