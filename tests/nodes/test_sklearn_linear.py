"""The quick form of linear models: the same bits as scikit-learn's own methods, or none."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import datasets, linear_model, preprocessing, svm

from umbel.nodes.loaded import UnfitInput
from umbel.nodes.sklearn_linear import fits, quick_form
from umbel.nodes.sklearn_model import SklearnModel

IRIS = datasets.load_iris(return_X_y=True)
_CANCER = datasets.load_breast_cancer(return_X_y=True)
CANCER = (preprocessing.scale(_CANCER[0]), _CANCER[1])
DIABETES = datasets.load_diabetes(return_X_y=True)

IRIS_MODEL = linear_model.LogisticRegression(max_iter=500).fit(*IRIS)

MODELS: list[tuple[Any, Any, str]] = [
    (linear_model.LogisticRegression(max_iter=500), IRIS, "predict"),
    (linear_model.LogisticRegression(max_iter=500), IRIS, "predict_proba"),
    (linear_model.LogisticRegression(max_iter=500), CANCER, "predict"),
    (linear_model.LogisticRegression(max_iter=500), CANCER, "decision_function"),
    (linear_model.RidgeClassifier(), CANCER, "predict"),
    (linear_model.SGDClassifier(random_state=0), IRIS, "decision_function"),
    (svm.LinearSVC(), CANCER, "predict"),
    (linear_model.LinearRegression(), DIABETES, "predict"),
    (linear_model.Ridge(), DIABETES, "predict"),
    (linear_model.Lasso(), DIABETES, "predict"),
]


@pytest.mark.parametrize(
    ("estimator", "data", "method"), MODELS, ids=lambda v: v if isinstance(v, str) else None
)
@pytest.mark.filterwarnings("ignore")
def test_equal_to_the_estimator_on_its_data(estimator: Any, data: Any, method: str) -> None:
    x, y = data
    if len(set(y)) == 2:
        y = np.where(np.asarray(y) == 1, "benign", "malignant")
    estimator = type(estimator)(**estimator.get_params()).fit(x, y)
    form = quick_form(estimator, method)
    assert form is not None
    for rows in (x[:1], x[:7], x, x.astype("float32")[:5], np.asfortranarray(x[:9])):
        ours, theirs = form(rows), getattr(estimator, method)(rows)
        assert ours.dtype == theirs.dtype
        assert np.array_equal(ours, theirs)


@given(
    st.lists(
        st.lists(st.floats(allow_nan=False, allow_infinity=False), min_size=4, max_size=4),
        min_size=1,
        max_size=9,
    )
)
@settings(deadline=None, max_examples=60)
@pytest.mark.filterwarnings("ignore")
def test_equal_on_any_finite_rows(rows: list[list[float]]) -> None:
    estimator = IRIS_MODEL
    form = quick_form(estimator, "predict")
    x = np.array(rows)
    assert form is not None
    assert fits(x, 4)
    assert np.array_equal(form(x), estimator.predict(x))


class Own(linear_model.LogisticRegression):
    def decision_function(self, X: Any) -> Any:  # noqa: N803
        return -super().decision_function(X)


class Wrong(linear_model.LinearRegression):
    def predict(self, X: Any) -> Any:  # noqa: N803
        return super().predict(X) + 1


@pytest.mark.parametrize("kind", [Own, Wrong])
def test_a_subclass_with_a_method_of_its_own_has_none(kind: Any) -> None:
    estimator = kind().fit(*CANCER)
    assert quick_form(estimator, "predict") is None


@pytest.mark.parametrize(
    "x",
    [
        np.array([[1.0, 2.0, 3.0, np.nan]]),
        np.array([[1.0, 2.0, 3.0, np.inf]]),
        np.ones((1, 3)),
        np.ones(4),
        np.ones((0, 4)),
        np.ones((1, 4), dtype="int64"),
        np.ones((1, 4), dtype=object),
        np.ma.masked_array(np.ones((1, 4))),
        [[1.0, 2.0, 3.0, 4.0]],
    ],
)
def test_what_is_no_plain_finite_array_is_scikit_learns(x: Any) -> None:
    assert not fits(x, 4)


def test_the_model_still_says_what_is_wrong_with_its_input() -> None:
    model = SklearnModel(IRIS_MODEL, "predict")
    assert model.predict(np.array([[5.1, 3.5, 1.4, 0.2]])).tolist() == [0]
    with pytest.raises(UnfitInput, match="NaN"):
        model.predict(np.array([[5.1, 3.5, 1.4, np.nan]]))
