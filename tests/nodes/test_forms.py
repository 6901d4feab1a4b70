"""Values in the forms nodes ask for: kept exactly, or refused with the place."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from umbel.graph.errors import InvalidInput
from umbel.graph.value_types import ValueType
from umbel.nodes.forms import convert
from umbel.nodes.shapes import Bound

INTEGERS = ("int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64")
FLOATS = ("float16", "float32", "float64")
SHAPES = hnp.array_shapes(min_dims=1, max_dims=3, min_side=0, max_side=4)


def arrays(dtype: str) -> st.SearchStrategy[Any]:
    elements = {"allow_nan": False, "allow_infinity": False} if dtype in FLOATS else None
    return hnp.arrays(dtype, SHAPES, elements=elements)


@given(st.sampled_from((*INTEGERS, *FLOATS, "bool")).flatmap(arrays))
def test_lists_of_an_array_become_that_array_again(array: Any) -> None:
    if 0 in array.shape[:-1]:
        return
    found = convert(array.tolist(), ValueType("ndarray", array.dtype.name), "x")
    assert found.dtype == array.dtype
    assert found.shape == array.shape
    assert (found == array).all()


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.binary(),
        lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=3),
    )
)
@pytest.mark.parametrize("dtype", [None, "int8", "uint64", "float32", "bool", "str", "bytes"])
def test_any_value_converts_or_is_invalid_input(dtype: str | None, value: object) -> None:
    try:
        found = convert(value, ValueType("ndarray", dtype), "x")
    except InvalidInput:
        return
    assert isinstance(found, np.ndarray)


@pytest.mark.parametrize(
    ("value", "dtype", "words"),
    [
        ([[1, 2], [3]], None, "expected rows of equal length, got 2 at [0] but 1 at [1]"),
        ([[[1], [2]], [[3], [4, 5]]], None, "1 at [0][0] but 2 at [1][1]"),
        ([[1], 2], None, "a list of 1 at [0] but the number 2 at [1]"),
        ([[1, True]], "int32", "a number (int32) at [0][1], got the boolean true"),
        ([1.5], "int8", "expected a whole number (int8) at [0], got the number 1.5"),
        ([1, 300], "uint8", "from 0 to 255 (uint8) at [1], got the number 300"),
        ([2**64 - 1, -1], "uint64", "at [1], got the number -1"),
        ([2**63], "int64", "at [0], got the number 9223372036854775808"),
        ([9.3e18], "int64", "an integer from"),
        (["1"], "float32", "a number (float32) at [0], got the string '1'"),
        ([1.0, None], "float64", "at [1], got null"),
        ([1e300], "float32", "expected numbers within float32, got 1e+300"),
        ([2], "bool", "expected true or false at [0], got the number 2"),
        (["a", 1], "str", "expected a string at [1], got the number 1"),
        ([{"a": 1}], None, "got an object with keys ['a']"),
        ("text", "float32", "got the string 'text'"),
    ],
)
def test_mistakes_name_the_place_and_what_came(
    value: object, dtype: str | None, words: str
) -> None:
    with pytest.raises(InvalidInput) as caught:
        convert(value, ValueType("ndarray", dtype), "input 'x'")
    assert words in str(caught.value)
    assert str(caught.value).startswith("input 'x': ")


def test_a_hundred_thousand_levels_are_refused() -> None:
    value: list[Any] = []
    for _ in range(100_000):
        value = [value]
    with pytest.raises(InvalidInput, match="at most 32 nested lists"):
        convert(value, ValueType("ndarray"), "x")


def test_numbers_without_a_dtype_become_float64() -> None:
    assert convert([[1, 2]], ValueType("ndarray"), "x").dtype == np.float64
    assert convert([True], ValueType("ndarray"), "x").dtype == np.bool_
    assert convert(["a"], ValueType("ndarray"), "x").tolist() == ["a"]


def test_integral_floats_are_integers_and_large_ones_exact() -> None:
    assert convert([3.0, 2**53 + 1], ValueType("ndarray", "int64"), "x").tolist() == [3, 2**53 + 1]


@pytest.mark.parametrize("form", ["ndarray", "any", "message"])
def test_a_value_that_fits_is_handed_on(form: Any) -> None:
    array = np.zeros((2, 4), "float32")
    assert convert(array, ValueType(form, "float32", ("batch", 4)), "x") is array


def test_shapes() -> None:
    two = ValueType("ndarray", None, ("batch", 4))
    with pytest.raises(InvalidInput, match=r"expected shape \[batch, 4\], got \[2, 3\]"):
        convert([[1, 2, 3], [4, 5, 6]], two, "x")
    with pytest.raises(InvalidInput, match="2 axes"):
        convert([1, 2, 3, 4], two, "x")
    convert(np.zeros((5, 6, 4)), ValueType("ndarray", None, ("...", 4)), "x")
    with pytest.raises(InvalidInput, match="at least 1 axes"):
        convert(np.zeros(()), ValueType("ndarray", None, ("...", 4)), "x")
    square = ValueType("ndarray", None, ("n", "n"))
    with pytest.raises(InvalidInput, match="n = 2 as in x, not 3"):
        convert(np.zeros((2, 3)), square, "x")


def test_named_dims_agree_across_inputs() -> None:
    bound: Bound = {}
    column = ValueType("ndarray", None, ("batch",))
    convert([1, 2], column, "input 'a'", bound)
    with pytest.raises(InvalidInput, match=r"input 'b': .*batch = 2 as in input 'a', not 3"):
        convert([1, 2, 3], column, "input 'b'", bound)


@pytest.mark.parametrize(
    ("value", "dtype", "kept"),
    [
        (np.array([1.5]), "float32", True),
        (np.array([3], "int64"), "int8", True),
        (np.array([300], "int64"), "int8", False),
        (np.array([2.5]), "int32", False),
        (np.array([np.nan]), "int32", False),
        (np.array([1, 0]), "bool", True),
        (np.array([True]), "float32", False),
        (np.array([1e300]), "float32", False),
        (np.array([b"a"], dtype=object), "str", True),
        (np.array(["a"]), "bytes", True),
        (np.array([b"\xff"], dtype=object), "str", False),
        (np.array([1, 2], dtype=object), "int8", True),
    ],
)
def test_arrays_are_cast_only_if_they_keep_their_values(value: Any, dtype: str, kept: bool) -> None:
    if not kept:
        with pytest.raises(InvalidInput):
            convert(value, ValueType("ndarray", dtype), "x")
        return
    found = convert(value, ValueType("ndarray", dtype), "x")
    assert found.dtype == (object if dtype in ("str", "bytes") else np.dtype(dtype))


@pytest.mark.parametrize(
    ("value", "form", "expected"),
    [
        (b"ab", "str", "ab"),
        (np.array([b"ab"], dtype=object), "str", "ab"),
        ("é", "bytes", "é".encode()),
        ({"b64": "AP8="}, "bytes", b"\x00\xff"),
        (3.0, "int", 3),
        (np.array([7]), "int", 7),
        (2, "float", 2.0),
        (np.float32(0.5), "float", 0.5),
        (np.array([True]), "bool", True),
        (b'{"a": 1}', "dict", {"a": 1}),
        ((1, 2), "list", [1, 2]),
        (np.arange(4).reshape(2, 2), "list", [[0, 1], [2, 3]]),
        ({"a": np.arange(2), "b": (1, b"x")}, "json", {"a": [0, 1], "b": [1, "x"]}),
        (np.array([b'{"a": 1}'], dtype=object), "json", {"a": 1}),
        (np.array([b"plain"], dtype=object), "json", "plain"),
    ],
)
def test_plain_forms(value: Any, form: Any, expected: object) -> None:
    found = convert(value, ValueType(form), "x")
    assert found == expected
    assert type(found) is type(expected)


@pytest.mark.parametrize(
    ("value", "form"),
    [
        (True, "int"),
        (2.5, "int"),
        ("1", "int"),
        (True, "float"),
        ("1", "float"),
        (1, "bool"),
        (1, "str"),
        (b"\xff", "str"),
        (1, "bytes"),
        ({"b64": "?"}, "bytes"),
        ([1], "dict"),
        ("[1]", "dict"),
        ("{", "dict"),
        ("abc", "list"),
        (object(), "json"),
        (None, "int"),
        (np.zeros(2), "float"),
        (object(), "ndarray"),
        ([float("inf")], "int"),
    ],
)
def test_plain_forms_refuse_other_values(value: Any, form: Any) -> None:
    with pytest.raises(InvalidInput, match=r"^x: expected "):
        convert(value, ValueType(form), "x")


def test_json_hands_on_what_is_plain_already() -> None:
    rows = [1, 2.5, "a", None]
    assert convert(rows, ValueType("json"), "x") is rows


def test_torch() -> None:
    torch = pytest.importorskip("torch")
    wanted = ValueType("torch", "float32", ("batch", 2))
    found = convert([[1, 2]], wanted, "x")
    assert found.dtype == torch.float32
    assert convert(found, wanted, "x") is found
    assert convert(found.double(), wanted, "x").dtype == torch.float32
    assert convert(found.requires_grad_(), ValueType("ndarray"), "x").tolist() == [[1.0, 2.0]]
    assert convert(np.arange(4)[::-1], ValueType("torch"), "x").tolist() == [3, 2, 1, 0]
    half = torch.ones(2, dtype=torch.bfloat16)
    assert convert(half, ValueType("list"), "x") == [1.0, 1.0]
    with pytest.raises(InvalidInput, match="expected shape"):
        convert(torch.zeros(3), wanted, "x")
    with pytest.raises(InvalidInput, match="numbers"):
        convert(["a"], ValueType("torch"), "x")


def test_dataframe() -> None:
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame({"a": [1, 2], "b": ["x", "y"]})
    wanted = ValueType("dataframe")
    assert convert(frame, wanted, "x") is frame
    assert convert([{"a": 1, "b": "x"}, {"a": 2, "b": "y"}], wanted, "x").equals(frame)
    columns = {"a": np.array([1, 2]), "b": np.array([b"x", b"y"], dtype=object)}
    assert convert(columns, wanted, "x").equals(frame)
    assert convert(frame, ValueType("list"), "x") == [{"a": 1, "b": "x"}, {"a": 2, "b": "y"}]
    with pytest.raises(InvalidInput):
        convert({"a": [1], "b": [1, 2]}, wanted, "x")


@pytest.mark.parametrize(
    ("value", "dtype", "expected"),
    [
        ([0.5, np.float32(1.5), np.int64(3), 4], None, [0.5, 1.5, 3.0, 4.0]),
        ([[np.float32(2), 1.0], (3.5, np.float64(1))], "float32", [[2.0, 1.0], [3.5, 1.0]]),
        ([np.int64(2), 1, np.array(4)], "int64", [2, 1, 4]),
        ([True, np.bool_(False)], None, [True, False]),
        (["a", np.str_("b")], "str", ["a", "b"]),
    ],
)
def test_numpys_numbers_among_pythons_own(value: Any, dtype: str | None, expected: Any) -> None:
    assert convert(value, ValueType("ndarray", dtype), "x").tolist() == expected


def test_numpys_numbers_among_others_are_checked_as_well() -> None:
    with pytest.raises(InvalidInput, match=r"whole number \(int8\) at \[1\]"):
        convert([1, np.float32(1.5)], ValueType("ndarray", "int8"), "x")
    with pytest.raises(InvalidInput, match=r"\[1\]"):
        convert([1.5, np.bool_(True)], ValueType("ndarray", "float64"), "x")
