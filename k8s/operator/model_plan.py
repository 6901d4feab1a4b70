"""A TrainedModel's status. The model itself is part of its service's application."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from umbel.k8s.operator.compiling import compiled, document
from umbel.k8s.operator.conditions import Condition, merged, summary
from umbel.k8s.operator.messages import findings_text
from umbel.k8s.operator.outcome import Outcome
from umbel.k8s.operator.reading import bare, loaded
from umbel.k8s.operator.revisions import content_of
from umbel.k8s.operator.settings import OperatorSettings
from umbel.k8s.operator.world import Key, Raw, World, is_going
from umbel.k8s.translate.names import protocol

ELSEWHERE = "UMB-K404"
"""The finding that the service has a model of its own."""


def models_of(world: World, service: Key) -> list[Raw]:
    """The trained models that name a service, in a fixed order."""
    return list(world.models_of(service))


def plan_model(
    world: World, raw: Raw, settings: OperatorSettings, services: Mapping[Key, Outcome]
) -> Outcome:
    """What the model comes to."""
    key = Key.of(raw)
    if is_going(raw):
        return Outcome(key, raw)
    named = str((raw.get("spec") or {}).get("inferenceService") or "")
    parent = services.get(Key("InferenceService", key.namespace, named))
    conditions = _conditions(raw, named, parent)
    ready = summary(conditions)
    before = raw.get("status") or {}
    status: dict[str, Any] = {
        "observedGeneration": raw["metadata"].get("generation", 0),
        "conditions": merged([*conditions, ready], before.get("conditions") or (), world.now),
    }
    if ready.status == "True" and parent is not None:
        url = settings.url(key.namespace, named).rstrip("/") + _path(key, parent.raw)
        status |= {"url": url, "address": {"url": url}}
    return Outcome(key, raw, status=status)


def _path(key: Key, service: Raw) -> str:
    """Below the service, by the protocol that it speaks."""
    typed = loaded(service)
    spoken = [protocol(one, typed) for one in typed.inference_services]
    if "v2" in spoken:
        return f"/v2/models/{key.name}/infer"
    return f"/v1/models/{key.name}:predict"


def _conditions(raw: Raw, named: str, parent: Outcome | None) -> list[Condition]:
    if parent is None or is_going(parent.raw):
        text = f"there is no InferenceService {named!r} in this namespace"
        return [Condition("InferenceServiceReady", "False", "InferenceServiceNotFound", text)]
    found = (parent.status or {}).get("conditions") or ()
    theirs: Raw = next((one for one in found if one["type"] == "Ready"), {})
    if theirs.get("status") == "True":
        service = Condition("InferenceServiceReady", "True")
    else:
        text = f"the InferenceService {named!r} is not ready: {theirs.get('message', '')}"
        reason = "InferenceServiceNotReady"
        service = Condition("InferenceServiceReady", "False", reason, text.rstrip(": "))
    made = compiled(parent.key, [document(parent.key, content_of(parent.raw)), bare(raw)], "/check")
    elsewhere = [one for one in made.findings if one.code == ELSEWHERE]
    if elsewhere:
        text = findings_text(elsewhere)
        multi = Condition("IsMMSPredictor", "False", "IsNotMMSPredictor", text)
    else:
        multi = Condition("IsMMSPredictor", "True")
    return [service, multi, Condition("MemoryResourceAvailable", "True")]
