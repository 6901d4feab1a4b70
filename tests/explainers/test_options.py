"""What authors and callers may ask of an explainer, and what they are told when it is wrong."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from umbel.explainers.explainer_options import authors_options, callers_options, from_texts
from umbel.explainers.methods import KSERVE_TYPES, METHODS
from umbel.graph.errors import DeclarationError, InvalidInput

TABULAR = METHODS["alibi-anchor-tabular"]


def test_every_mistake_comes_at_once() -> None:
    with pytest.raises(DeclarationError) as caught:
        authors_options(TABULAR, {"threshold": 3, "treshold": 0.9, "beam_size": "two"})
    told = str(caught.value)
    assert "'threshold' is a number of at most 1, not 3" in told
    assert "'treshold' is not known; there are" in told
    assert "'beam_size' is a whole number, not 'two'" in told


@pytest.mark.parametrize(
    "value", [True, float("nan"), float("inf"), "0.9", [0.9], -0.1, 1.1, {"a": 1}]
)
def test_a_caller_gives_numbers_in_range(value: object) -> None:
    with pytest.raises(InvalidInput, match="threshold"):
        callers_options(TABULAR, {}, {"threshold": value})


@pytest.mark.parametrize("given", [[1], "threshold=0.9", 3, True])
def test_parameters_are_an_object(given: object) -> None:
    with pytest.raises(InvalidInput, match="expected an object"):
        callers_options(TABULAR, {}, given)


@pytest.mark.parametrize("name", ["feature_names", "binary_cache_size", "allow_pickle", "seed"])
def test_what_is_the_authors_is_not_the_callers(name: str) -> None:
    with pytest.raises(InvalidInput, match=f"{name}' is not known"):
        callers_options(TABULAR, {}, {name: 1})


@given(st.integers(1, 10**6), st.integers(1, 10**6))
def test_a_caller_lowers_a_budget_and_never_raises_it(own: int, asked: int) -> None:
    merged = callers_options(TABULAR, {"budget_samples": own}, {"budget_samples": asked})
    assert merged["budget_samples"] == min(own, asked)


@given(
    st.floats(0, 1, allow_nan=False), st.integers(1, 100), st.booleans(),
    st.lists(st.integers(1, 99), min_size=1, max_size=5),
)  # fmt: skip
def test_settings_of_a_yaml_file_mean_what_they_say(
    threshold: float, beam: int, first: bool, percentiles: list[int]
) -> None:
    texts = {
        "threshold": repr(threshold),
        "beam_size": str(beam),
        "stop_on_first": str(first),
        "disc_perc": str(percentiles),
    }
    read = authors_options(TABULAR, from_texts(TABULAR, texts))
    assert read == {
        "threshold": threshold,
        "beam_size": beam,
        "stop_on_first": first,
        "disc_perc": percentiles,
    }


def test_a_text_that_is_no_number_is_named() -> None:
    with pytest.raises(DeclarationError, match="'beam_size' is a whole number, not 'many'"):
        authors_options(TABULAR, from_texts(TABULAR, {"beam_size": "many"}))


def test_every_type_of_kserve_is_a_method() -> None:
    assert set(KSERVE_TYPES.values()) <= set(METHODS)
    assert {("alibi", "AnchorTabular"), ("alibi", "AnchorImages"), ("art", "SquareAttack")} <= set(
        KSERVE_TYPES
    )
