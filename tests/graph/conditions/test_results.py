"""What ``get`` tells about a match: its type, its text, its Python value."""

from __future__ import annotations

import math
from typing import Any

import pytest

from umbel.graph import conditions
from umbel.graph.conditions import JsonType

VALUES: list[tuple[str, JsonType, Any]] = [
    ("null", JsonType.NULL, None),
    ("true", JsonType.TRUE, True),
    ("false", JsonType.FALSE, False),
    ("0", JsonType.NUMBER, 0.0),
    ("12345678901234567890", JsonType.NUMBER, 12345678901234567000.0),
    ("-1.5e3", JsonType.NUMBER, -1500.0),
    ("1e999", JsonType.NUMBER, math.inf),
    ('"a\\u00e9\\n"', JsonType.STRING, "aé\n"),
    ('"\\ud83d\\ude00"', JsonType.STRING, "\U0001f600"),
    ('"\\ud83d"', JsonType.STRING, "\ufffd"),
    ('[1, "x", [null]]', JsonType.JSON, [1.0, "x", [None]]),
    ('{"a": 1, "b": {}, "a": 2}', JsonType.JSON, {"a": 1.0, "b": {}}),
]


@pytest.mark.parametrize(("text", "kind", "value"), VALUES)
def test_a_match(text: str, kind: JsonType, value: Any) -> None:
    result = conditions.get(f'{{"k": {text} }}', "k")
    assert (result.exists, result.raw, result.type, result.value) == (True, text, kind, value)


def test_no_match() -> None:
    result = conditions.get("{}", "k")
    assert (result.exists, result.raw, result.type, result.value) == (
        False,
        "",
        JsonType.NULL,
        None,
    )


def test_numbers_are_floats() -> None:
    value = conditions.get("[1, [2]]", "@this").value
    assert [type(item) for item in (value[0], value[1][0])] == [float, float]


def test_bytes_that_are_not_utf8_can_be_matched_and_shown() -> None:
    document = b'{"k": "\xff", "list": ["\xff"]}'
    assert conditions.get(document, "k").raw == '"\ufffd"'
    assert conditions.get(document, "k").value == "\ufffd"
    assert conditions.exists(document, 'list.#(%"?")')


def test_a_value_that_is_no_json_is_none() -> None:
    assert conditions.get("{}", "![1,!]").value is None


def test_a_value_too_deep_for_python_is_none() -> None:
    assert conditions.get("[" * 100_000 + "]" * 100_000, "0").value is None


@pytest.mark.parametrize("document", ['{"é": 1}', b'{"\xc3\xa9": 1}'])
def test_documents_are_text_or_utf8(document: str | bytes) -> None:
    assert conditions.get(document, "é").value == 1.0
