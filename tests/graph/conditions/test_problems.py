"""``problems``: what is wrong with a path, in words."""

from __future__ import annotations

import pytest

from umbel.graph import conditions

SOUND = [
    "a",
    "a.b.0",
    "a|b",
    "@this",
    "a.@reverse.0",
    "*.b?",
    r"a\.b\=c",
    'predictions.#(label=="dog")',
    'instances.#(modelId=="2").x',
    "[@this].#(decision_picker==ERROR)",
    'a.#(name=="R && D").b',
    'a.#(b=="")',
    "a.#(b=~*)",
    "a.#(b>1)#|0",
    "a.#(b>1)#|#(c<2)",
    "a.#(b.#(=1))",
    "..#(a=1)",
    "a.#(!=1)",
]
SUSPICIOUS = [
    ("", "the path is empty"),
    ("a.", "a component is empty"),
    (".a", "a component is empty"),
    (" a", "part of the key"),
    ("a .b", "part of the key"),
    ("a\\", "escapes nothing"),
    ("$.a", "JSONPath"),
    ("a[0]", "name.0"),
    ("a[?(@.b==1)]", "name.#(...)"),
    ("a.-1", "negative"),
    ("a==1", "a comparison needs a query"),
    ("a > 1", "a comparison needs a query"),
    ("@foo", "is no modifier"),
    ("a.@revers", "is no modifier"),
    ("#abc", "matches nothing"),
    ("#(a==1)", "[@this].#(a==1)"),
    ("a.#(b=1", "never closed"),
    ("a.#(b=(1)", "never closed"),
    ("{a,b", "is not closed"),
    ("[a]b", "neither '.' nor '|'"),
    ("[a,#(b]", "is not closed"),
    ("[@this].#(a>0.5 && a<=0.9)", "has '&&'"),
    ("a.#(b=1 || c=2)", "has '||'"),
    ("a.#(b=1 and c=2)", "has 'and'"),
    ("a.#(b.#(c=1 || d=2))", "has '||'"),
    ("a.#(b && c)", "has '&&'"),
    ("a.#(b=='x')", 'write "x"'),
    ("a.#(b=~yes)", "~true"),
    ("a.#(b===1)", "use =="),
    ("a.#(b=>1)", "use =="),
    ("a.#(b!1)", "use !="),
    ("a.#(!)", "use !="),
    ("a.#(b=)", "compares with nothing"),
    ("a.#(b=1)c", "is ignored"),
    ("a.#(b=1)#|c", "in an array"),
    ("a.#(b=1)#", "true for every array"),
    ("a.#(b=1)#.c", "true for every array"),
    ("a.#", "exists for every array"),
    ("a.#.b", "exists for every array"),
    ("[a,b]", "always true"),
    ("a.{b}", "always true"),
    ("!true", "always true"),
    ("a.@keys", "always true"),
    ("[a.]", "a component is empty"),
    ("@dig:a..b|0", "a component is empty"),
    ("a." * 500 + "a", "501 components"),
]


@pytest.mark.parametrize("path", SOUND)
def test_a_sound_path_has_none(path: str) -> None:
    assert conditions.problems(path) == []


@pytest.mark.parametrize(("path", "words"), SUSPICIOUS)
def test_a_suspicious_path_is_explained(path: str, words: str) -> None:
    found = conditions.problems(path)
    assert any(words in problem for problem in found), found


@pytest.mark.parametrize("path", ["a.#(b=1)#", "a.#", "[a,b]", "!true", "a.@keys", "a.#.b"])
@pytest.mark.parametrize("document", ['{"a": []}', '{"a": [{"c": 1}]}'])
def test_what_is_called_always_true_is(path: str, document: str) -> None:
    assert conditions.exists(document, path)


def test_each_problem_is_told_once() -> None:
    assert len(conditions.problems("a..b..c")) == 1
