"""TrainedModel v1alpha1: one of several models that share an InferenceService."""

from __future__ import annotations

from umbel.k8s.resources.container import Quantity
from umbel.k8s.resources.declared import Declared


class SharedModel(Declared):
    """Where the model lies, its format's name, and the memory it needs."""

    storage_uri: str = ""
    framework: str = ""
    memory: Quantity = "0"


class TrainedModelSpec(Declared):
    """The model, and the service that loads it."""

    inference_service: str = ""
    model: SharedModel = SharedModel()
