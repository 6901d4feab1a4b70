"""ART's SquareAttack through a graph is ART's by hand on the same model."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pytest
from sklearn.datasets import load_digits
from sklearn.linear_model import LogisticRegression

from explainer_libraries import art_or_skip
from umbel import InvalidInput, Tensor, explainer, predictor

door = art_or_skip()
pytestmark = pytest.mark.slow

DIGITS = load_digits()
IMAGES = (DIGITS.images[..., None] / 16).astype(np.float32)
MODEL = LogisticRegression(max_iter=300).fit(DIGITS.data / 16, DIGITS.target)
SETTINGS = {"nb_classes": 10, "clip_values": [0, 1]}
Images = Tensor["batch", 8, 8, 1]
Scores = Tensor["batch", 10]


@predictor
def digit(x: Images) -> Scores:
    return MODEL.predict_proba(x.reshape(len(x), -1))


def by_hand(x: np.ndarray[Any, Any], **options: Any) -> np.ndarray[Any, Any]:
    def scores(batch: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
        flat = batch.reshape(len(batch), -1).astype(np.float32)
        return MODEL.predict_proba(flat)

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        np.random.seed(0)
        classifier = door._estimators.BlackBoxClassifierNeuralNetwork(
            scores, x.shape[1:], 10, channels_first=False, clip_values=(0.0, 1.0)
        )
        attack = door._attacks.SquareAttack(estimator=classifier, verbose=False, **options)
        found: np.ndarray[Any, Any] = attack.generate(x=x, y=MODEL.predict(x.reshape(1, -1)))
    return found


def test_the_attack_is_arts() -> None:
    options = {"max_iter": 60, "eps": 0.5}
    found = explainer("art-square-attack", of=digit, settings=SETTINGS)(IMAGES[8:9], options)
    expected = by_hand(IMAGES[8:9], **options)
    data = found["data"]
    np.testing.assert_array_equal(np.asarray(data["adversarial_example"], np.float32), expected)
    assert data["prediction"] == MODEL.predict(DIGITS.data[8:9] / 16)[0]
    assert data["adversarial_prediction"] == MODEL.predict(expected.reshape(1, -1))[0]
    assert data["adversarial_prediction"] != data["prediction"]
    assert data["L2 error"] == pytest.approx(np.linalg.norm(expected - IMAGES[8:9]), rel=1e-5)


def test_labels_have_to_fit() -> None:
    why = explainer("art-square-attack", of=digit, settings=SETTINGS)
    with pytest.raises(InvalidInput, match="parameter 'y'"):
        why(IMAGES[:1], {"y": [1, 2]})
