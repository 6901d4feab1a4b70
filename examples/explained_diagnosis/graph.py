"""A diagnosis with its reason: the model's answer, and the rule that holds it in place."""

from umbel import explainer, inference_graph, predictor

tumour = predictor("sklearn", uri="models/tumour")  # 0: malignant, 1: benign

anchor = explainer("alibi-anchor-tabular", of=tumour, uri="models/why")


@inference_graph(explainer=anchor)
def diagnosis(x):
    reason = anchor(x)["data"]
    return {"answer": tumour(x), "because": reason["anchor"], "precision": reason["precision"]}


def names():
    """The names of the 30 measurements."""
    from sklearn.datasets import load_breast_cancer

    return [str(name) for name in load_breast_cancer().feature_names]


def why(rows, feature_names):
    """The explainer before it is saved: the rows it is fitted to are given in Python."""
    settings = {"feature_names": feature_names, "coverage_samples": 1000}
    return explainer("alibi-anchor-tabular", train=rows, settings=settings)
