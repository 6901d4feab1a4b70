"""InferenceService v1beta1: one model with what stands before and beside it."""

from __future__ import annotations

from umbel.k8s.resources.component import Component
from umbel.k8s.resources.declared import Declared
from umbel.k8s.resources.explainer import Explainer
from umbel.k8s.resources.predictor import Predictor


class Transformer(Component):
    """The component that changes requests and replies; always a container."""


class Canary(Declared):
    """Another predictor that gets ``traffic_percent`` of the requests."""

    predictor: Predictor = Predictor()
    traffic_percent: int = 0


class InferenceServiceSpec(Declared):
    """Requests go to the transformer if there is one, else to the predictor."""

    predictor: Predictor = Predictor()
    transformer: Transformer | None = None
    explainer: Explainer | None = None
    canary: tuple[Canary, ...] = ()

    @property
    def components(self) -> tuple[tuple[str, Component], ...]:
        """``("predictor", ...)`` and the other components that are given."""
        found: list[tuple[str, Component]] = [("predictor", self.predictor)]
        if self.transformer is not None:
            found.append(("transformer", self.transformer))
        if self.explainer is not None:
            found.append(("explainer", self.explainer))
        return tuple(found)
