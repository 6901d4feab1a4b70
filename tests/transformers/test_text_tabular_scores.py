"""Tokens, columns, fitted pipelines and best classes, beside the libraries called by hand."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from umbel import Tensor, inference_graph, transformer
from umbel.graph.errors import DeclarationError, InvalidInput
from umbel.graph.graph_definitions import GraphDefinition
from umbel.transformers.scores import best_classes, class_labels, probabilities, softmax, top_k
from umbel.transformers.tabular import fitted_pipeline, select_columns
from umbel.transformers.text import text_tokens

LOGITS = arrays.arrays(
    np.float64, st.tuples(st.integers(1, 4), st.integers(1, 5)), elements=st.floats(-1e3, 1e3)
)


def graph(node: Any) -> GraphDefinition:
    @inference_graph(name="one")
    def one(x: Any) -> Any:
        return node(x)

    return one


@given(LOGITS)
def test_softmax_sums_to_one_and_keeps_the_order(logits: Any) -> None:
    found = softmax(logits)
    np.testing.assert_allclose(found.sum(axis=-1), 1)
    assert np.isfinite(found).all()
    best = logits.argmax(axis=-1)
    assert (found[np.arange(len(best)), best] == found.max(axis=-1)).all()


@given(LOGITS, st.integers(1, 6))
def test_the_best_classes_are_the_largest_scores(scores: Any, k: int) -> None:
    for row, best in zip(scores, best_classes(scores, k), strict=True):
        assert [one["score"] for one in best] == sorted(row, reverse=True)[:k]
        assert [row[one["class"]] for one in best] == [one["score"] for one in best]


def test_steps_in_sequence_after_a_model() -> None:
    found = probabilities()
    best = top_k(2, ["a", "b", "c"])

    @inference_graph
    def answer(x: Any) -> Any:
        return best(found(x))

    (row,) = answer.local([[0.0, float(np.log(3)), 0.0]])
    assert row == [
        {"label": "b", "score": pytest.approx(0.6)},
        {"label": "a", "score": pytest.approx(0.2)},
    ]
    with pytest.raises(InvalidInput, match="2 scores and 3 labels"):
        answer.local([[1.0, 2.0]])


def test_class_labels() -> None:
    named = graph(class_labels(["no", "yes"]))
    assert named.local([0, 1, 1]).tolist() == ["no", "yes", "yes"]
    assert named.local([[0.1, 0.9]]).tolist() == ["yes"]
    for wrong in ([2], [-1], [0.5]):
        with pytest.raises(InvalidInput):
            named.local(wrong)


def test_columns_by_name_and_number() -> None:
    named = graph(select_columns(["b", "a"]))
    assert named.local([{"a": 1, "b": 2, "c": 3}]) == [{"b": 2, "a": 1}]
    assert list(named.local({"a": [1], "b": [2]})) == ["b", "a"]
    with pytest.raises(InvalidInput, match=r"row 0: columns \['b'\] are missing"):
        named.local([{"a": 1}])
    with pytest.raises(InvalidInput, match="expected rows with names"):
        named.local([[1, 2]])
    numbered = graph(select_columns([2, 0]))
    assert numbered.local([[1, 2, 3]]).tolist() == [[3, 1]]
    with pytest.raises(InvalidInput, match="at least 3 values"):
        numbered.local([[1, 2]])
    for wrong in ("ab", [], ["a", 1]):
        with pytest.raises(DeclarationError, match=r"test_text_tabular_scores\.py:\d+"):
            select_columns(wrong)  # type: ignore[arg-type]


@pytest.mark.slow
def test_a_fitted_pipeline_scales_and_encodes(tmp_path: Path) -> None:
    pd = pytest.importorskip("pandas")
    compose = pytest.importorskip("sklearn.compose")
    import skops.io
    from sklearn.preprocessing import OneHotEncoder, StandardScaler

    table = pd.DataFrame({"age": [20.0, 30.0, 40.0], "city": ["Ulm", "Bern", "Ulm"]})
    fitted = compose.ColumnTransformer(
        [("scale", StandardScaler(), ["age"]), ("encode", OneHotEncoder(), ["city"])]
    ).fit(table)
    skops.io.dump(fitted, tmp_path / "prepare.skops")
    prepare = fitted_pipeline(str(tmp_path / "prepare.skops"))

    @transformer
    def total(x: Tensor[batch, n]) -> Tensor[batch]:
        return x.sum(axis=1)

    @inference_graph
    def prepared(x: Any) -> Any:
        return total(prepare(x))

    rows = [{"city": "Bern", "age": 25.0}, {"city": "Ulm", "age": 40.0}]
    expected = np.asarray(fitted.transform(pd.DataFrame(rows))).sum(axis=1)
    np.testing.assert_allclose(prepared.local(rows), expected)
    with pytest.raises(InvalidInput, match="unknown categories"):
        prepared.local([{"city": "Rom", "age": 1.0}])
    with pytest.raises(InvalidInput, match=r"columns \['age'\] are missing"):
        prepared.local([{"city": "Ulm"}])


@pytest.fixture()
def tokenizer(tmp_path: Path) -> Path:
    tokenizers = pytest.importorskip("tokenizers")
    library = pytest.importorskip("transformers")
    words = {"[PAD]": 0, "[UNK]": 1, "good": 2, "bad": 3, "film": 4}
    made = tokenizers.Tokenizer(tokenizers.models.WordLevel(words, unk_token="[UNK]"))
    made.pre_tokenizer = tokenizers.pre_tokenizers.Whitespace()
    fast = library.PreTrainedTokenizerFast(
        tokenizer_object=made, pad_token="[PAD]", unk_token="[UNK]", model_max_length=4
    )
    fast.save_pretrained(tmp_path / "tokenizer")
    return tmp_path / "tokenizer"


@pytest.mark.slow
def test_tokens_are_padded_and_cut(tokenizer: Path) -> None:
    tokens = text_tokens(str(tokenizer))

    @inference_graph
    def found(x: Any) -> Any:
        out = tokens(x)
        return {"ids": out["input_ids"], "mask": out["attention_mask"]}

    answer = found.local(["good film", "bad", "good good good good good"])
    assert answer["ids"].tolist() == [[2, 4, 0, 0], [3, 0, 0, 0], [2, 2, 2, 2]]
    assert answer["mask"].tolist() == [[1, 1, 0, 0], [1, 0, 0, 0], [1, 1, 1, 1]]
    assert found.local([])["ids"].shape == (0, 0)
    with pytest.raises(InvalidInput, match="at most 1,000,000"):
        found.local(["x" * 1_000_001])


@pytest.mark.slow
def test_tokens_of_a_fixed_length_and_no_tokenizer(tokenizer: Path, tmp_path: Path) -> None:
    fixed = graph(text_tokens(str(tokenizer), max_length=3, fixed=True))
    assert fixed.local(["bad"])["input_ids"].tolist() == [[3, 0, 0]]
    with pytest.raises(DeclarationError, match="holds no tokenizer"):
        graph(text_tokens(str(tmp_path))).local(["bad"])
    with pytest.raises(DeclarationError, match=r"test_text_tabular_scores\.py:\d+"):
        text_tokens("x", fixed=True)
