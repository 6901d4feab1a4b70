"""Values nested deeper than pickle goes arrive as they were sent."""

from __future__ import annotations

import pickle
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from umbel.serving.deep_values import as_text, is_too_deep

SCALARS = st.none() | st.booleans() | st.integers() | st.text()
NUMBERS = st.floats(allow_nan=False, allow_infinity=False)
VALUES = st.recursive(
    SCALARS | NUMBERS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
)


def nested(levels: int) -> Any:
    value: Any = [1.5, "a", {"b": None}]
    for level in range(levels):
        value = [value] if level % 2 else {"k": value}
    return value


def levels_of(value: Any) -> int:
    found = 0
    while type(value) in (list, dict) and len(value) == 1:
        value, found = (value[0] if type(value) is list else value["k"]), found + 1
    assert value == [1.5, "a", {"b": None}]
    return found


def test_pickle_refuses_what_travels_as_text() -> None:
    deep = nested(9_000)
    with pytest.raises((RecursionError, pickle.PicklingError)) as refused:
        pickle.dumps(deep)
    assert is_too_deep(refused.value)
    assert levels_of(pickle.loads(pickle.dumps(as_text(deep)))) == 9_000


@given(VALUES)
def test_what_arrives_is_what_was_sent(value: Any) -> None:
    arrived = pickle.loads(pickle.dumps(as_text(value)))
    assert arrived == value
    assert repr(arrived) == repr(value)


@pytest.mark.parametrize("value", [{1: 2}, [b"a"], [float("nan")], (1,), b"a"])
def test_what_is_no_plain_json_is_left_alone(value: Any) -> None:
    assert as_text(value) is value


def test_other_errors_of_pickle_are_not_mistaken() -> None:
    assert not is_too_deep(pickle.PicklingError("cannot pickle a lock"))
    assert not is_too_deep(ValueError("x"))
