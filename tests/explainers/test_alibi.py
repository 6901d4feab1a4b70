"""Explanations through a graph are those of alibi called by hand on the same model."""

from __future__ import annotations

import json
import warnings
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from sklearn.datasets import load_breast_cancer, load_digits
from sklearn.feature_extraction.text import CountVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline

from explainer_libraries import alibi_or_skip
from umbel import Tensor, UmbelError, explainer, inference_graph, predictor

library = alibi_or_skip()
pytestmark = pytest.mark.slow

DATA = load_breast_cancer()
X = (DATA.data - DATA.data.mean(axis=0)) / DATA.data.std(axis=0)
NAMES = [str(name) for name in DATA.feature_names]
MODEL = LogisticRegression(max_iter=500).fit(X, DATA.target)
NAMED = {"feature_names": NAMES}
TEXTS = ["a good film", "a bad film", "good fun", "bad acting", "very good", "very bad indeed"]
MOODS = make_pipeline(CountVectorizer(), LogisticRegression()).fit(TEXTS, [1, 0] * 3)
DIGITS = load_digits()
IMAGES = (DIGITS.images[..., None] / 16).astype(np.float32)
DIGIT_MODEL = LogisticRegression(max_iter=300).fit(DIGITS.data / 16, DIGITS.target)
SEGMENTS = {
    "segmentation_fn": "slic",
    "segmentation_kwargs": {"n_segments": 8, "compactness": 1, "start_label": 0},
}
Rows = Tensor["batch", 30]
Labels = Tensor["batch"]
Chances = Tensor["batch", 2]
Images = Tensor["batch", 8, 8, 1]


@predictor
def tumour(x: Rows) -> Labels:
    return MODEL.predict(x)


@predictor
def chances(x: Rows) -> Chances:
    return MODEL.predict_proba(x)


@predictor
def mood(texts: list) -> Labels:
    return MOODS.predict(texts)


@predictor
def digit(x: Images) -> Labels:
    return DIGIT_MODEL.predict(x.reshape(len(x), -1))


@pytest.fixture(autouse=True)
def _quiet() -> Iterator[None]:
    """What alibi's old dependencies warn of when it is called by hand."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def by_hand(explanation: Any) -> dict[str, Any]:
    plain: dict[str, Any] = json.loads(explanation.to_json())
    return plain


def test_an_anchor_of_a_table_row() -> None:
    why = explainer("alibi-anchor-tabular", of=tumour, train=X, settings=NAMED)
    direct = library.AnchorTabular(MODEL.predict, NAMES, seed=0, dtype=X.dtype).fit(X)
    expected = by_hand(direct.explain(X[3], coverage_samples=1000))
    for _ in range(2):  # the second explanation draws the same numbers as the first
        found = why(X[3:4], {"coverage_samples": 1000})
        assert found["data"] == expected["data"]
        assert found["meta"] == expected["meta"]
        assert found["data"]["anchor"]
        assert found["budget"]["partial"] is False
        assert found["budget"]["samples"] > 100


def test_an_anchor_of_a_graph_rather_than_a_model() -> None:
    @inference_graph(name="scaled")
    def scaled(x: Any) -> Any:
        return chances(x)

    why = explainer("alibi-anchor-tabular", of=scaled, train=X, settings=NAMED)
    direct = library.AnchorTabular(MODEL.predict_proba, NAMES, seed=0, dtype=X.dtype).fit(X)
    expected = by_hand(direct.explain(X[3], coverage_samples=1000))
    assert why(X[3:4], {"coverage_samples": 1000})["data"] == expected["data"]


def test_several_rows_are_explained_one_by_one() -> None:
    why = explainer("alibi-anchor-tabular", of=tumour, train=X, settings=NAMED)
    asked = {"coverage_samples": 200, "threshold": 0.6, "max_anchor_size": 2}
    found = why(X[[3, 3]], asked)
    assert [set(one) for one in found["explanations"]] == [{"meta", "data"}] * 2
    assert (found["budget"]["asked"], found["budget"]["explained"]) == (2, 2)
    assert found["explanations"][0]["data"] == why(X[3:4], asked)["data"]


def test_an_anchor_of_a_text() -> None:
    import umbel.explainers.alibi_library as door

    why = explainer("alibi-anchor-text", of=mood)
    asked = {"coverage_samples": 200}
    direct = door.AnchorText(MOODS.predict, nlp=door.spacy.blank("en"), seed=0)
    expected = by_hand(direct.explain("a good film indeed", coverage_samples=200))
    found = why(["a good film indeed"], asked)
    assert found["data"] == expected["data"]
    assert "good" in found["data"]["anchor"]


def test_an_anchor_of_an_image() -> None:
    why = explainer("alibi-anchor-image", of=digit, settings=SEGMENTS)
    direct = library.AnchorImage(
        lambda x: DIGIT_MODEL.predict(x.reshape(len(x), -1)),
        (8, 8, 1),
        dtype=np.float32,
        seed=0,
        **SEGMENTS,
    )
    expected = by_hand(direct.explain(IMAGES[3], coverage_samples=500))
    found = why(IMAGES[3:4], {"coverage_samples": 500})
    assert found["data"] == expected["data"]
    assert np.asarray(found["data"]["segments"]).shape == (8, 8)


def test_kernel_shap_of_several_rows() -> None:
    why = explainer("alibi-kernel-shap", of=chances, train=X[:20], settings=NAMED)
    direct = library.KernelShap(MODEL.predict_proba, feature_names=NAMES, seed=0).fit(X[:20])
    expected = by_hand(direct.explain(X[:3], nsamples=200, silent=True))
    found = why(X[:3], {"nsamples": 200})
    assert found["data"]["shap_values"] == expected["data"]["shap_values"]
    assert found["data"]["expected_value"] == expected["data"]["expected_value"]
    raw, wanted = found["data"]["raw"], expected["data"]["raw"]
    assert raw["importances"] == wanted["importances"]
    assert raw["prediction"] == wanted["prediction"]
    np.testing.assert_allclose(raw["raw_prediction"], wanted["raw_prediction"], rtol=1e-12)


def test_tree_shap_looks_into_the_saved_model(tmp_path: Any) -> None:
    import skops.io
    from sklearn.ensemble import RandomForestClassifier

    forest = RandomForestClassifier(5, random_state=0).fit(X, DATA.target)
    skops.io.dump(forest, tmp_path / "forest.skops")
    saved = predictor(
        "sklearn",
        uri=str(tmp_path / "forest.skops"),
        settings={"trusted": ["sklearn.tree._tree.Tree"]},
    )
    why = explainer("alibi-tree-shap", of=saved, settings=NAMED)
    direct = library.TreeShap(forest, feature_names=NAMES, seed=0)
    direct.fit()
    expected = by_hand(direct.explain(X[:300]))
    found = why(X[:300])
    assert found["data"] == expected["data"]


@pytest.mark.parametrize("name", ["PartialDependence", "ALE"])
def test_curves_of_a_data_set(name: str) -> None:
    method = {"PartialDependence": "alibi-partial-dependence", "ALE": "alibi-ale"}[name]
    why = explainer(method, of=chances, train=X[:100], settings=NAMED)
    direct = getattr(library, name)(MODEL.predict_proba, feature_names=NAMES)
    expected = by_hand(direct.explain(X[:100], features=[0, 4]))
    assert why(X[:0], {"features": [0, 4]})["data"] == expected["data"]
    assert why(X[:100], {"features": [0, 4]})["data"] == expected["data"]


def test_permutation_importance_of_labelled_rows() -> None:
    why = explainer(
        "alibi-permutation-importance", of=tumour, train=(X, DATA.target), settings=NAMED
    )
    np.random.seed(0)
    direct = library.PermutationImportance(
        MODEL.predict, score_fns=["accuracy"], feature_names=NAMES
    )
    expected = by_hand(direct.explain(X, DATA.target, n_repeats=3))
    found = why(X[:0], {"n_repeats": 3})
    assert found["data"] == expected["data"]
    assert found["meta"] == expected["meta"]


def test_random_numbers_of_others_are_left_alone() -> None:
    why = explainer("alibi-anchor-tabular", of=tumour, train=X, settings=NAMED)
    np.random.seed(7)
    before = np.random.get_state()[1].copy()
    why(X[:1], {"coverage_samples": 100, "threshold": 0.7})
    np.testing.assert_array_equal(np.random.get_state()[1], before)


def test_a_spent_budget_gives_what_there_is_and_says_so() -> None:
    why = explainer("alibi-anchor-tabular", of=tumour, train=X, settings=NAMED)
    found = why(X[19:20], {"coverage_samples": 100, "budget_samples": 600, "threshold": 0.999})
    assert found["budget"]["partial"] is True
    assert "600 rows" in found["budget"]["because"]
    assert found["budget"]["samples"] <= 600
    assert found["data"]["anchor"]
    assert 0 < found["data"]["precision"] <= 1


def test_a_budget_of_features_gives_the_features_that_were_done() -> None:
    why = explainer("alibi-partial-dependence", of=chances, train=X[:50], settings=NAMED)
    found = why(X[:0], {"grid_resolution": 10, "budget_samples": 2_000})
    assert found["budget"]["partial"] is True
    assert 1 <= len(found["data"]["feature_names"]) < 30
    assert len(found["data"]["pd_values"]) == len(found["data"]["feature_names"])


def test_no_budget_for_anything_is_an_error_in_time() -> None:
    why = explainer("alibi-kernel-shap", of=chances, train=X[:20], settings=NAMED)
    with pytest.raises(UmbelError, match="no explanation within its budget") as caught:
        why(X[:1], {"budget_samples": 100})
    assert caught.value.status == 504


def test_time_is_a_budget_too() -> None:
    import time

    @predictor
    def slow(x: Rows) -> Labels:
        time.sleep(0.05)
        return MODEL.predict(x)

    why = explainer("alibi-anchor-tabular", of=slow, train=X, settings=NAMED)
    start = time.monotonic()
    found = why(X[19:20], {"coverage_samples": 100, "budget_s": 1.0, "threshold": 0.9999})
    assert found["budget"]["partial"] is True
    assert time.monotonic() - start < 6


def test_an_error_of_the_model_is_the_models() -> None:
    @predictor
    def broken(x: Rows) -> Labels:
        raise RuntimeError("secret")

    why = explainer("alibi-anchor-tabular", of=broken, train=X, settings=NAMED)
    with pytest.raises(UmbelError, match="node 'broken' failed") as caught:
        why(X[:1])
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize("kind", ["svg", "png"])
@pytest.mark.parametrize("method", ["anchor", "shap", "curves", "image"])
def test_pictures(method: str, kind: str) -> None:
    import base64

    asked: dict[str, Any] = {"picture": kind}
    if method == "anchor":
        why = explainer("alibi-anchor-tabular", of=tumour, train=X, settings=NAMED)
        found = why(X[3:4], {**asked, "coverage_samples": 100, "threshold": 0.8})
    elif method == "shap":
        why = explainer("alibi-kernel-shap", of=chances, train=X[:5], settings=NAMED)
        found = why(X[:1], {**asked, "nsamples": 100})
    elif method == "curves":
        why = explainer("alibi-ale", of=chances, train=X[:50], settings=NAMED)
        found = why(X[:0], {**asked, "features": [0, 1]})
    else:
        why = explainer("alibi-anchor-image", of=digit, settings=SEGMENTS)
        found = why(IMAGES[3:4], {**asked, "coverage_samples": 100})
    picture = found["picture"]
    if kind == "svg":
        assert picture["content_type"] == "image/svg+xml"
        assert "<svg" in picture["data"]
        assert method == "image" or picture["data"].count("<path") > 5
    else:
        assert picture["content_type"] == "image/png"
        assert base64.b64decode(picture["data"]).startswith(b"\x89PNG")


def test_an_explanation_inside_another_is_refused() -> None:
    inner = explainer("alibi-kernel-shap", of=chances, train=X[:5])

    @inference_graph
    def chain(x: Any) -> Any:
        return {"answer": tumour(x), "why": inner(x)}

    outer = explainer("alibi-anchor-tabular", of=chain, train=X, settings={"output": "answer"})
    with pytest.raises(UmbelError, match="calls an explainer itself"):
        outer(X[:1])
