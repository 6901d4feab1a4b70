"""What scikit-learn's linear models compute, without what it asks before.

For one row, `predict` of a linear model spends 99 % of its time on questions about the input
(is it a DataFrame, which array library, sparse, finite?) whose answers are known here: a numpy
array of the right width. The quick form is the same product, in the same order of operations.
It is taken only where it was compared with the estimator's own method when the model was
loaded, bit for bit; and at each call only for plain finite arrays of moderate size. Whatever
else comes goes to scikit-learn, which says what is wrong with it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from sklearn import linear_model
from sklearn.linear_model import _base

Rows = Callable[[Any], Any]

LARGEST = 16_384
"""Numbers in a request up to which the questions cost more than the product."""

_KINDS = (np.dtype("float64"), np.dtype("float32"))


def quick_form(estimator: Any, method: str) -> Rows | None:
    """A function equal to ``estimator``'s ``method`` on the arrays that `fits` lets through, or
    ``None`` where there is none, or where a sample shows a difference."""
    form = _form(estimator, method)
    if form is None:
        return None
    try:
        return form if _equal(form, getattr(estimator, method), estimator.coef_.shape[-1]) else None
    except Exception:  # an estimator of another make under a known name
        return None


def fits(x: Any, columns: int) -> bool:
    """Whether the quick form may take ``x``: rows ``[batch, columns]``, floats, all finite."""
    return (
        type(x) is np.ndarray
        and x.ndim == 2
        and x.shape[1] == columns
        and 0 < x.size <= LARGEST
        and x.dtype in _KINDS
        and bool(np.isfinite(x).all())
    )


def _form(estimator: Any, method: str) -> Rows | None:
    """Of scikit-learn's own methods only: a subclass with one of its own is left alone."""
    kind, scores = type(estimator), _scores(estimator)
    classifier = isinstance(estimator, _base.LinearClassifierMixin)
    below = "decision_function" if classifier else "_decision_function"
    if scores is None or not (_is_sklearns(kind, method) and _is_sklearns(kind, below)):
        return None
    if method == "decision_function" or (method == "predict" and not classifier):
        return scores
    if method == "predict":
        return _labels(scores, estimator.classes_)
    lr = linear_model.LogisticRegression
    if isinstance(estimator, lr) and method == "predict_proba" and len(estimator.classes_) > 2:
        return _softmax(scores)
    return None


def _is_sklearns(kind: type, method: str) -> bool:
    return getattr(getattr(kind, method, None), "__module__", "").startswith("sklearn.")


def _scores(estimator: Any) -> Rows | None:
    coefficients = getattr(estimator, "coef_", None)
    if type(coefficients) is not np.ndarray or not hasattr(estimator, "intercept_"):
        return None
    transposed, intercept = coefficients.T, estimator.intercept_
    single = isinstance(estimator, _base.LinearClassifierMixin) and transposed.ndim == 2

    def scores(x: Any) -> Any:
        found = x @ transposed + intercept
        return found.reshape(-1) if single and found.shape[1] == 1 else found

    return scores


def _labels(scores: Rows, classes: Any) -> Rows:
    def labels(x: Any) -> Any:
        found = scores(x)
        chosen = (found > 0).astype(np.intp) if found.ndim == 1 else found.argmax(axis=1)
        return classes.take(chosen, axis=0)

    return labels


def _softmax(scores: Rows) -> Rows:
    def probabilities(x: Any) -> Any:
        found = scores(x)
        found -= found.max(axis=1).reshape(-1, 1)
        np.exp(found, out=found)
        found /= found.sum(axis=1).reshape(-1, 1)
        return found

    return probabilities


def _equal(form: Rows, method: Rows, columns: int) -> bool:
    random = np.random.default_rng(0)
    for dtype in _KINDS:
        for rows, spread in ((1, 1.0), (2, 100.0), (7, 10.0), (33, 1000.0)):
            x = (random.standard_normal((rows, columns)) * spread).astype(dtype)
            ours, theirs = form(x), method(x)
            if ours.dtype != theirs.dtype or not np.array_equal(ours, theirs):
                return False
    return True
