"""``valid``: strict JSON, at any depth, whatever the bytes in strings."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from umbel.graph import conditions

VALID = [
    "{}",
    "[]",
    "null",
    " true ",
    "\t\r\n0",
    "-0",
    "-1.5E+10",
    "1e400",
    '"\\u00e9\\n\\/"',
    '"\\ud800"',
    '{"a":1,"a":2}',
    "[[],{}]",
    b'"\xff\xfe"',
    "9" * 10_000,
    "[" * 5_000 + "]" * 5_000,
    '{"a":' * 5_000 + "1" + "}" * 5_000,
    '[{"a":[' * 2_000 + '"x", 1, true' + "]},null]" * 2_000,
]
INVALID = [
    "",
    " ",
    "{",
    "]",
    "[1,]",
    "[1 2]",
    '{"a"}',
    '{"a":1,}',
    "{a:1}",
    "'a'",
    "NaN",
    "[Infinity]",
    "-Infinity",
    "-",
    "01",
    "1.",
    ".5",
    "+1",
    "1e",
    "tru",
    "True",
    '"a',
    '"\n"',
    '"\\x"',
    '"\\u12"',
    "1 2",
    "{}{}",
    "\ufeff{}",
    b"\xff",
    "9" * 10_000 + "x",
    "[" * 5_000,
    "[" * 5_000 + "]" * 4_999,
    "[" * 5_000 + "]" * 5_001,
    "[" * 2_000 + "1,]" + "]" * 2_000,
    '{"a":' * 5_000 + "}" * 5_000,
    '{"a" ' * 5_000,
    '{"a":[' * 2_000 + "]]" * 2_000,
]


@pytest.mark.parametrize("text", VALID)
def test_json_is_valid(text: str | bytes) -> None:
    assert conditions.valid(text)


@pytest.mark.parametrize("text", INVALID)
def test_anything_else_is_not(text: str | bytes) -> None:
    assert not conditions.valid(text)


@given(st.recursive(st.none() | st.booleans() | st.integers() | st.text(), st.lists))
def test_whatever_python_writes_is_valid(value: object) -> None:
    assert conditions.valid(json.dumps(value))
    assert not conditions.valid(json.dumps(value) + "]")


@given(st.text(alphabet='{}[]",:01-.e\\ untrfalse', max_size=30))
def test_deep_documents_are_judged_as_shallow_ones(text: str) -> None:
    deep = "[" * 3_000 + text + "]" * 3_000
    assert conditions.valid(deep) == conditions.valid(f"[{text}]")
