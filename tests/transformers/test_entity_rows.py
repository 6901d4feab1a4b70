"""Rows in any form become the same columns; what cannot be rows is the client's mistake."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from umbel.graph.errors import InvalidInput
from umbel.transformers.entity_rows import columns_of
from umbel.transformers.feature_source import Field

FIELDS = (Field("driver", "int"), Field("city", "str"))
ROWS = st.lists(st.tuples(st.integers(-(2**63), 2**63 - 1), st.text(max_size=5)), max_size=6)


@given(ROWS)
def test_every_form_gives_the_same_columns(rows: list[tuple[int, str]]) -> None:
    expected = {"driver": [row[0] for row in rows], "city": [row[1] for row in rows]}
    assert columns_of(rows, FIELDS) == expected
    assert columns_of([list(row) for row in rows], FIELDS) == expected
    assert columns_of(expected, FIELDS) == expected
    if rows:
        objects = [{"city": city, "driver": driver} for driver, city in rows]
        assert columns_of(objects, FIELDS) == expected


@given(st.lists(st.integers(0, 2**40), max_size=6))
def test_one_field_may_be_single_values_or_an_array(ids: list[int]) -> None:
    fields = (Field("driver", "int"),)
    expected = {"driver": ids}
    assert columns_of(ids, fields) == expected
    assert columns_of([[one] for one in ids], fields) == expected
    assert columns_of(np.array(ids, np.int64), fields) == expected
    assert columns_of(np.array(ids, np.float64).reshape(-1, 1), fields) == expected


def test_other_values_of_the_rows_are_kept() -> None:
    row = {"driver": 1, "city": "x", "note": None}
    assert columns_of([row], FIELDS) == {"driver": [1], "city": ["x"], "note": [None]}


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        ([[1]], "expected 2 values ['driver', 'city'], got a list of 1"),
        ([[1.5, "x"]], "row 0: 'driver': expected an integer, got the number 1.5"),
        ([[True, "x"]], "expected an integer, got the boolean true"),
        ([["1", "x"]], "expected an integer, got the string '1'"),
        ([[2**63, "x"]], "64-bit"),
        ([[None, "x"]], "got null"),
        ([[1, 2]], "row 0: 'city': expected a string"),
        ([{"driver": 1}], "['city'] missing"),
        ([{"driver": 1, "city": "x"}, {"driver": 1}], "row 1: expected an object with keys"),
        ([{"driver": 1, "city": "x"}, [1, "x"]], "row 1"),
        ({"driver": [1, 2], "city": ["x"]}, "one length"),
        ({"driver": 1, "city": "x"}, "expected a list with a value for each row"),
        ("x", "expected rows, or an object of columns"),
        (None, "got null"),
        (np.float64(3), "expected rows"),
        (np.zeros((2, 3)), "expected 2 values"),
        (np.array(3), "expected rows"),
    ],
)
def test_wrong_rows_are_the_clients_mistake(rows: Any, said: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        columns_of(rows, FIELDS)
    assert said in str(caught.value)


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
        max_leaves=8,
    )
)
def test_nothing_a_client_sends_raises_anything_else(value: Any) -> None:
    try:
        columns = columns_of(value, FIELDS)
    except InvalidInput:
        return
    assert len({len(column) for column in columns.values()}) <= 1
