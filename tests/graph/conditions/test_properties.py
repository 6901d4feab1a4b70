"""Properties: nothing raises, and simple paths agree with a walk over parsed JSON."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import example, given, settings
from hypothesis import strategies as st

from umbel.graph import conditions

MISSING = object()

names = st.sampled_from(["a", "b", "c d", "0", "1", "é", "x-y"])
documents = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 5) | st.floats(-2, 2) | names,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(names, inner, max_size=4),
    max_leaves=20,
)
pieces = st.sampled_from(
    [*'a0#[]{}().|:,*?\\"!~=>', "#(", "#(a=1)", ")#", "@this", "@dig:", "@keys", "@pretty", "@join"]
)
odd_paths = st.lists(pieces | st.text(max_size=3), max_size=12).map("".join)


def walk(value: Any, path: list[str]) -> Any:
    """The value at a path of keys and indices, the obvious way."""
    for name in path:
        if isinstance(value, dict) and name in value:
            value = value[name]
        elif isinstance(value, list) and name.isdecimal() and int(name) < len(value):
            value = value[int(name)]
        else:
            return MISSING
    return value


@given(documents, odd_paths)
@example({}, "\ud800")
@example([], "{" * 50)
def test_no_path_raises(value: Any, path: str) -> None:
    document = json.dumps(value)
    result = conditions.get(document, path)
    assert isinstance(result.raw, str)
    assert (result.value is None) or result.exists
    assert conditions.exists(document, path) is result.exists
    assert all(isinstance(problem, str) for problem in conditions.problems(path))


@given(st.binary(max_size=60) | st.text(alphabet='{}[]":,\\ua01 .-etfn', max_size=60), odd_paths)
def test_no_document_raises(document: bytes | str, path: str) -> None:
    result = conditions.get(document, path)
    assert (result.value is None) or result.exists
    assert isinstance(conditions.valid(document), bool)


@settings(max_examples=300)
@given(documents, st.lists(names, min_size=1, max_size=4), st.sampled_from([None, 1]))
def test_a_dot_path_finds_what_a_walk_finds(value: Any, path: list[str], indent: int) -> None:
    found = conditions.get(json.dumps(value, indent=indent), ".".join(path))
    expected = walk(value, path) if isinstance(value, (dict, list)) else MISSING
    assert found.exists is (expected is not MISSING)
    if found.exists:
        assert found.value == expected


@given(st.lists(documents, max_size=6), names)
def test_a_hash_collects_what_each_item_has(items: list[Any], name: str) -> None:
    document = json.dumps(items)
    assert conditions.get(document, "#").value == len(items)
    expected = [walk(item, [name]) for item in items if isinstance(item, (dict, list))]
    assert conditions.get(document, f"#.{name}").value == [v for v in expected if v is not MISSING]


@given(st.lists(st.floats(-100, 100), max_size=8), st.floats(-100, 100))
def test_number_queries_compare_as_numbers(items: list[float], bound: float) -> None:
    document = json.dumps(items)
    for sign, kept in [
        (">", [i for i in items if i > bound]),
        ("<=", [i for i in items if i <= bound]),
        ("==", [i for i in items if i == bound]),
        ("!=", [i for i in items if i != bound]),
    ]:
        assert conditions.get(document, f"#({sign}{bound!r})#").value == kept
        assert conditions.exists(document, f"#({sign}{bound!r})") is bool(kept)


texts = st.text(max_size=5).filter(lambda text: not text.startswith("~"))
"""Not with a tilde: even a quoted value that begins with one asks for a truth value."""


@given(st.lists(texts, max_size=8), texts)
def test_text_queries_compare_by_code_point(items: list[str], bound: str) -> None:
    document = json.dumps(items)
    value = json.dumps(bound, ensure_ascii=False)
    assert conditions.get(document, f"#(=={value})#").value == [i for i in items if i == bound]
    assert conditions.get(document, f"#(<{value})#").value == [i for i in items if i < bound]


@given(documents)
def test_modifiers_keep_the_value(value: Any) -> None:
    document = json.dumps(value)
    for path in ("@this", "@valid", "@ugly", "@pretty", "@tostr.@fromstr", "@reverse|@reverse"):
        assert conditions.get(document, path).value == value, path
