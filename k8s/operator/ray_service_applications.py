"""A RayService → the applications in it."""

from __future__ import annotations

import dataclasses

import yaml

from umbel.k8s.operator.compiling import BUILDER
from umbel.k8s.operator.ray_serve import owned
from umbel.k8s.operator.ray_service_status import reported
from umbel.k8s.operator.settings import OperatorSettings
from umbel.k8s.operator.world import Raw, ServeApplication

_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


def applications_of(raw: Raw, settings: OperatorSettings) -> dict[str, ServeApplication]:
    """The applications of umbel's in a RayService that are this operator's, as KubeRay
    reports them."""
    try:
        config = yaml.load(raw["spec"]["serveConfigV2"], Loader=_LOADER)  # noqa: S506
    except (KeyError, yaml.YAMLError):
        return {}
    own = [one for one in config.get("applications") or () if one.get("import_path") == BUILDER]
    states = reported(raw, own)
    found = {}
    for one in own:
        state = states[one["name"]]
        details = {
            "status": state.status,
            "message": "\n".join(text for text in (state.message, *state.parts) if text),
            "deployed_app_config": one,
        }
        app = owned(one["name"], details, settings)
        if app is not None:
            found[app.name] = dataclasses.replace(
                app, replicas=_copies(raw), replaced=state.replaced
            )
    return found


def _copies(raw: Raw) -> int:
    """Replicas of the graph: one a worker pod. Of several groups only the total is known."""
    active = (raw.get("status") or {}).get("activeServiceStatus") or {}
    groups = raw["spec"].get("rayClusterConfig", {}).get("workerGroupSpecs") or ()
    pods = int((active.get("rayClusterStatus") or {}).get("availableWorkerReplicas") or 0)
    return pods if len(groups) == 1 else min(pods, 1)
