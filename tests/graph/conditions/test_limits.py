"""No document or path takes the process down: where gjson would go on, umbel gives up."""

from __future__ import annotations

import json
import time

import pytest

from umbel.graph import conditions
from umbel.graph.conditions import limits

DEEP_ARRAY = "[" * 10_000 + "]" * 10_000
DEEP_OBJECT = '{"a":' * 10_000 + "1" + "}" * 10_000


@pytest.mark.parametrize("path", ["0", "0.0.0", "#", "@this", "@reverse", "@keys", "@ugly", "[#]"])
def test_a_deep_document_is_read(path: str) -> None:
    assert conditions.exists(DEEP_ARRAY, path)


@pytest.mark.parametrize("path", ["a", "a.a.a", "*", "@values", "@tostr", "[@this].#(a)", "{a}"])
def test_a_deep_object_is_read(path: str) -> None:
    assert conditions.exists(DEEP_OBJECT, path)


@pytest.mark.parametrize("path", ["@pretty", '@flatten:{"deep":true}', "@dig:x"])
def test_modifiers_that_look_into_everything_give_up_on_a_deep_document(path: str) -> None:
    assert not conditions.exists(DEEP_ARRAY, path)


def test_a_path_may_have_a_hundred_components() -> None:
    assert conditions.exists(DEEP_OBJECT, ".".join("a" * 100))


@pytest.mark.parametrize(
    "path",
    [
        ".".join("a" * 5_000),
        "[" * 300 + "]" * 300,
        "#(" * 300 + ")" * 300,
        "@dig:" * 300 + "a",
        "@tostr" + "|@tostr" * 200,
        "[@this,@this]" + "|[@this,@this]" * 200,
    ],
)
def test_a_path_that_explodes_finds_nothing(path: str) -> None:
    assert not conditions.exists(DEEP_OBJECT, path)


def test_a_walk_has_a_number_of_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "MAX_STEPS", 10)
    assert conditions.exists("[{},{}]", "#(!)#")
    assert not conditions.exists(json.dumps([{}] * 50), "[#(a)#,#(b)#,#(c)#,#(d)#,#(e)#]")


@pytest.mark.parametrize(
    ("document", "path"),
    [
        (json.dumps(["a" * 20_000]), '#(%"*a*a*a*a*a*b*a")'),
        (json.dumps({"a" * 20_000: 1}), "*a*a*a*a*a*b"),
        ('{"a":"' + "\\\\" * 100_000 + '","b":1}', "b.c"),
        ('{"a":"' + '\\"' * 100_000 + '","b":1}', "b.c"),
        ("{}", "|".join(["@this"] * 5_000) + "|a"),
        ("{}", "#(" * 20_000),
        ("{}", "[" * 20_000),
    ],
    ids=range(7),
)
def test_hostile_text_takes_no_time(document: str, path: str) -> None:
    start = time.monotonic()
    assert not conditions.exists(document, path)
    conditions.problems(path)
    assert time.monotonic() - start < 5
