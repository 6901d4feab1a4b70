"""A model whose explainer has a replica of its own."""

from __future__ import annotations

from sklearn.datasets import load_breast_cancer
from sklearn.linear_model import LogisticRegression

from umbel import Scale, Tensor, explainer, inference_graph, predictor

_DATA = load_breast_cancer()
_X = (_DATA.data - _DATA.data.mean(axis=0)) / _DATA.data.std(axis=0)
_MODEL = LogisticRegression(max_iter=500).fit(_X, _DATA.target)
Rows = Tensor["batch", 30]
Labels = Tensor["batch"]


@predictor
def tumour(x: Rows) -> Labels:
    return _MODEL.predict(x)


@inference_graph(explainer=explainer("alibi-anchor-tabular", train=_X, scale=Scale(min=1, max=1)))
def tumours(x: Rows) -> Labels:
    return tumour(x)
