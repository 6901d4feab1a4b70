"""ART's SquareAttack: the smallest square changes that turn a prediction, with nothing known of
the model but its answers. What KServe's ART explainer answers, for any graph."""

from __future__ import annotations

import importlib
import warnings
from typing import Any

import numpy as np

from umbel.explainers.batch_predictor import Array
from umbel.explainers.budget import BudgetSpent
from umbel.explainers.explanations import Explanation, Job, OpenedMethod, Opening
from umbel.explainers.random_numbers import RandomStream
from umbel.graph.errors import InvalidInput

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # what ART's optional parts say when they are not there
    _ART: Any = importlib.import_module("art")
    _attacks: Any = importlib.import_module("art.attacks.evasion")
    _estimators: Any = importlib.import_module("art.estimators.classification")

CLASSES = 10
"""KServe's default for the number of classes."""


def open_method(opening: Opening, random: RandomStream) -> OpenedMethod:
    """The attack that ``opening`` describes."""
    return SquareAttackMethod(opening, random)


class SquareAttackMethod:
    """One explanation for each instance."""

    whole = False

    def __init__(self, opening: Opening, random: RandomStream) -> None:
        self._opening, self._random = opening, random

    def explain(self, job: Job) -> list[Explanation]:
        """An adversarial example an instance, as far as the budget went."""
        labels = self._labels(job)
        found: list[Explanation] = []
        with self._random.building(), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            for index in range(len(job.x)):
                try:
                    found.append(self._attacked(job, job.x[index : index + 1], labels[index]))
                except BudgetSpent:
                    if not found:
                        raise
                    break
        return found

    def _attacked(self, job: Job, one: Array, label: int | None) -> Explanation:
        x = one.astype(np.float32)
        classes = int(self._opening.options.get("nb_classes", CLASSES))

        def scores(batch: Array) -> Array:
            return _scores(job.predict(batch.astype(one.dtype)), classes)

        clip = self._opening.options.get("clip_values") or (-np.inf, np.inf)
        classifier = _estimators.BlackBoxClassifierNeuralNetwork(
            scores,
            x.shape[1:],
            classes,
            channels_first=self._opening.options.get("channels_first", False),
            clip_values=(float(clip[0]), float(clip[1])),
        )
        before = int(np.argmax(scores(x)))
        target = before if label is None else label
        norm = self._opening.options.get("norm", "inf")
        attack = _attacks.SquareAttack(
            estimator=classifier,
            norm=np.inf if norm == "inf" else int(norm),
            verbose=False,
            **job.given("max_iter", "eps", "p_init", "nb_restarts"),
        )
        adversarial = attack.generate(x=x, y=np.array([target]))
        after = int(np.argmax(scores(adversarial)))
        data = {
            "adversarial_example": adversarial.tolist(),
            "L2 error": float(np.linalg.norm((adversarial[0] - x[0]).reshape(-1))),
            "adversarial_prediction": after,
            "prediction": before,
            "instance": one[0].tolist(),
        }
        return {"meta": _meta(job), "data": data}

    def _labels(self, job: Job) -> list[int | None]:
        asked = job.options.get("y")
        if asked is None:
            return [None] * len(job.x)
        several = asked if isinstance(asked, (list, tuple)) else [asked]
        if len(several) != len(job.x) or not all(isinstance(one, int) for one in several):
            raise InvalidInput(f"parameter 'y': expected {len(job.x)} labels, got {asked!r}")
        return list(several)


def _meta(job: Job) -> dict[str, Any]:
    return {
        "name": "SquareAttack",
        "type": ["blackbox"],
        "explanations": ["local"],
        "params": job.given("max_iter", "eps", "p_init", "nb_restarts"),
        "version": _ART.__version__,
    }


def _scores(predicted: Array, classes: int) -> Array:
    """Predicted labels as one score for each class; scores as they are."""
    if predicted.ndim > 1:
        return predicted
    labels = np.clip(predicted.astype(int), 0, classes - 1)
    scores: Array = np.eye(classes)[labels]
    return scores
