"""Documents of every kind: duplicate keys, escapes, scalars, huge numbers, JSON lines."""

from __future__ import annotations

import pytest

from umbel.graph import conditions

LINES = '{"n": 1}\n{"n": 2, "m": [1]}\n[3]\n'

PATHS_ON_LINES = [
    ("..#", "3"),
    ("..0", '{"n": 1}'),
    ("..0.n", "1"),
    ("..1.n", "2"),
    ("..2", "[3]"),
    ("..3", None),
    ("..#.n", "[1,2]"),
    ("..#(n==2)", '{"n": 2, "m": [1]}'),
    ("..#(n>0)#.n", "[1,2]"),
    ("..#(n>5)", None),
    ("..#(n>5)#", "[]"),
    ("..#.n|1", "2"),
    ("..", None),
    ("..n", None),
    ("..1|n", "2"),
    ("..@this", None),
    ("..[0]", None),
]

DOCUMENTS = [
    ('{"a":{"b":1},"a":{"c":2}}', "a", '{"b":1}'),
    ('{"a":{"b":1},"a":{"c":2}}', "a.c", "2"),
    (r'{"\u0061":1}', "a", "1"),
    (r'{"\u0061":{"\u0062":"\u00e9"}}', "a.b", r'"\u00e9"'),
    (r'{"a":["\u00e9"]}', 'a.#(=="é")', r'"\u00e9"'),
    (r'{"a":["\ud83d\ude00"]}', 'a.#(=="😀")', r'"\ud83d\ude00"'),
    (r'{"a":["\ud83d\ude00"]}', 'a.#(%"?")', r'"\ud83d\ude00"'),
    (r'{"a":["x\"y"]}', r'a.#(=="x\"y")', r'"x\"y"'),
    (r'{"a":["x\\y"]}', r'a.#(=="x\\y")', r'"x\\y"'),
    ('{"a":["p*q"]}', r'a.#(%"*\\*")', None),
    ('{"a":["pxq","p*q"]}', r'a.#(%"p\*q")', None),
    (r'{"a":["\n"]}', r'a.#(=="\n")', r'"\n"'),
    ("[1,2]", "0", "1"),
    ("[1,2]", "#", "2"),
    ("[1,2]", "#(>1)", "2"),
    ("[1,2]", "#(>1)#", "[2]"),
    ("[1,2]", "@this", "[1,2]"),
    (" 5 ", "@this", "5"),
    ('"x"', "@this", '"x"'),
    ("null", "@this", "null"),
    ("5", "a", None),
    ('"a"', "a", None),
    ("null", "a", None),
    ("5", "#", None),
    ('"a"', "*", None),
    ("null", "@keys", "[null]"),
    ('{"":1}', "", "1"),
    ('{"a":1}', "", None),
    ("[1]", "", None),
    ('{"a":1e400}', "a", "1e400"),
    ('{"a":1e400}', "[@this].#(a>1e308)", '{"a":1e400}'),
    ('{"a":9007199254740992}', "[@this].#(a==9007199254740993)", '{"a":9007199254740992}'),
    ('{ "a" : [ 1 , 2 ] }', "a", "[ 1 , 2 ]"),
    ('{ "a" : [ 1 , " 2 " ] }', "a.@ugly", '[1," 2 "]'),
    ('{"a":[[[1]]]}', "a.0.0.0", "1"),
    ("[[1],[2,3]]", "#.#", "[1,2]"),
    ('[{"a":[1]},{"a":[]},{}]', "#.a.#", "[1,0]"),
    ('[{"a":[{"b":1}]},{"a":[]},{}]', "#.a.#.b", "[[1],[]]"),
    ('{"a":{"y":1},"b":{"x":2}}', "*.x", "2"),
    ('{"a":{"y":1},"b":[3]}', "*.0", "3"),
    ('{"a1":[2],"a2":[1]}', "a*.#(=1)#", "[]"),
    ('{"a1":[2],"a2":[1]}', "a*.#(=1)", "1"),
    ('{"a":{"b":{"c":1}}}', "a|b.c", "1"),
    ('{"a":{"b":{"c":1}}}', "a.b|c", "1"),
    ('{"a":[{"b":1},{"b":2}]}', "a.#.b|@reverse", "[2,1]"),
    ('[{"a":2}]', "#(a=1)#.b|x", "[]"),
    ('{"decision_picker":"ERROR"}', "decision_picker", '"ERROR"'),
    (
        '{"decision_picker":"ERROR"}',
        "[@this].#(decision_picker==ERROR)",
        '{"decision_picker":"ERROR"}',
    ),
    ('{"decision_picker":"ERROR"}', "[@this].#(decision_picker==SUCCESS)", None),
    ('{"instances":[{"modelId":"2"}]}', 'instances.#(modelId=="2")', '{"modelId":"2"}'),
    ('{"instances":[{"modelId":"2"}]}', 'instances.#(modelId=="3")', None),
    ('{"predictions":[0,1]}', "predictions.#(==1)", "1"),
    ('{"predictions":[0,2]}', "predictions.#(==1)", None),
    ('{"any":"thing"}', "@this", '{"any":"thing"}'),
]


@pytest.mark.parametrize(("path", "raw"), PATHS_ON_LINES)
def test_a_path_on_json_lines(path: str, raw: str | None) -> None:
    result = conditions.get(LINES, path)
    assert (result.raw if result.exists else None) == raw


@pytest.mark.parametrize(("text", "path", "raw"), DOCUMENTS)
def test_a_path_on_a_document(text: str, path: str, raw: str | None) -> None:
    result = conditions.get(text, path)
    assert (result.raw if result.exists else None) == raw
    assert conditions.get(text.encode(), path) == result
