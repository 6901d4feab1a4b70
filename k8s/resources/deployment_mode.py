"""How KServe would deploy a service: decides which scaling fields are allowed."""

from __future__ import annotations

from typing import Literal

from umbel.graph.findings import Severity
from umbel.k8s.resources.inference_service import InferenceServiceSpec
from umbel.k8s.resources.legacy import DEPLOYMENT_MODE
from umbel.k8s.resources.resource import Resource

AUTOSCALER_CLASS = "serving.kserve.io/autoscalerClass"
AUTOSCALERS = ("hpa", "external", "keda", "none")

KNATIVE_CLASS = "autoscaling.knative.dev/class"
KNATIVE_HPA = "hpa.autoscaling.knative.dev"

Mode = Literal["Standard", "Knative", "ModelMesh", ""]

_MODES: dict[str, Mode] = {
    "Standard": "Standard",
    "RawDeployment": "Standard",
    "Knative": "Knative",
    "Serverless": "Knative",
    "ModelMesh": "ModelMesh",
}


def deployment_mode(service: Resource[InferenceServiceSpec]) -> Mode:
    """The mode its annotation asks for, old names included; empty where it is left open."""
    return _MODES.get(service.annotations.get(DEPLOYMENT_MODE, ""), "")


def autoscaler(service: Resource[InferenceServiceSpec]) -> tuple[str, Severity]:
    """``hpa``, ``keda``, ``kpa`` or nothing, and how bad it is to break its rules.

    Where the mode is left open, KServe decides by its own settings; what only Knative's
    autoscaler (``kpa``) refuses is a warning then.
    """
    mode = deployment_mode(service)
    if mode == "Standard":
        name = service.annotations.get(AUTOSCALER_CLASS, "")
        return (name if name in ("hpa", "keda") else ""), "error"
    if service.annotations.get(KNATIVE_CLASS) == KNATIVE_HPA:
        return "hpa", "error"
    return "kpa", "error" if mode else "warning"
