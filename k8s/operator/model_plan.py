"""A TrainedModel → a service of its own: a Ray cluster packs models onto replicas anyway.

KServe loads it into its service's pod; here it answers beside that service, under its own name.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from umbel.k8s.operator.compiling import application, compiled
from umbel.k8s.operator.conditions import Condition, merged, summary
from umbel.k8s.operator.messages import findings_text, tidy
from umbel.k8s.operator.outcome import Outcome
from umbel.k8s.operator.routing import as_config, holder_of, routed
from umbel.k8s.operator.settings import OperatorSettings
from umbel.k8s.operator.world import Key, Raw, World, is_going, is_stopped, noted


def plan_model(
    world: World, raw: Raw, settings: OperatorSettings, services: Mapping[Key, Outcome]
) -> Outcome:
    """What the model comes to."""
    key = Key.of(raw)
    everything = world.owned_by(key)
    observed = {n: a for n, a in everything.items() if a.status != "DELETING"}
    finalizer = settings.target == "ray"
    if is_going(raw):
        return Outcome(key, raw, held=finalizer and (bool(everything) or not world.reachable))
    spec = raw.get("spec") or {}
    parent = services.get(Key("InferenceService", key.namespace, str(spec.get("inferenceService"))))
    route = settings.route(key.namespace, key.name)
    made = compiled(key, [_service(raw, parent)], route)
    belongs = parent is not None and not is_going(parent.raw)
    target = None
    if made.config is not None and belongs and not (parent and is_stopped(parent.raw)):
        target = application(made.config, operator=settings.name, key=key, revision="", route=None)
    applications: tuple[Mapping[str, Any], ...] = ()
    if target is not None and world.reachable:
        applications = routed(world, observed, (), target, route, settings.linger_s).applications
    elif belongs:
        applications = tuple(as_config(app, app.route) for app in observed.values())
    holder = holder_of(observed, route)
    runs = holder is not None and holder.runs
    owner = (
        Condition("InferenceServiceReady", "True")
        if belongs
        else Condition(
            "InferenceServiceReady",
            "False",
            "InferenceServiceNotFound",
            f"there is no InferenceService {spec.get('inferenceService')!r}",
        )
    )
    loaded = Condition("ModelLoaded", "True") if runs else Condition("ModelLoaded", "Unknown")
    if made.errors:
        loaded = Condition("ModelLoaded", "False", "InvalidSpec", findings_text(made.errors))
    failed = next((app for app in observed.values() if app.failed), None)
    if failed is not None and not runs:
        loaded = Condition("ModelLoaded", "False", "ModelLoadFailed", tidy(failed.message))
    conditions = [owner, loaded, summary((owner, loaded))]
    before = raw.get("status") or {}
    status: dict[str, Any] = {
        "observedGeneration": raw["metadata"].get("generation", 0),
        "conditions": merged(conditions, before.get("conditions") or (), world.now),
    }
    if runs:
        base = settings.url(key.namespace, key.name)
        status["url"] = f"{base}/v1/models/{key.name}:predict"
        status["address"] = {"url": base}
    return Outcome(key, raw, applications, status=status, held=finalizer)


def _service(raw: Raw, parent: Outcome | None) -> dict[str, Any]:
    """The service that the model would be on its own; annotations are its service's."""
    model = (raw.get("spec") or {}).get("model") or {}
    return {
        "apiVersion": "serving.kserve.io/v1beta1",
        "kind": "InferenceService",
        "metadata": {
            "name": raw["metadata"]["name"],
            "namespace": raw["metadata"].get("namespace", ""),
            "annotations": {
                **(noted(parent.raw) if parent is not None else {}),
                **noted(raw),
            },
        },
        "spec": {
            "predictor": {
                "model": {
                    "modelFormat": {"name": str(model.get("framework", ""))},
                    "storageUri": model.get("storageUri"),
                }
            }
        },
    }
