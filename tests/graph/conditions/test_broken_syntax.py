"""Broken paths mean what they mean to gjson: never an error, often nothing."""

from __future__ import annotations

import pytest

from umbel.graph import conditions

BROKEN = [
    ("predictions.#(", None),
    ("predictions.#()", None),
    ("predictions.#(label", None),
    ('predictions.#(label=="dog"', None),
    ('predictions.#(label=="dog).score', None),
    ("predictions.#(label==", None),
    ("predictions.#(label==)", None),
    ('predictions.#(=="dog")', None),
    (
        'predictions.#(label=="dog"))',
        '{"label": "dog", "score": 0.91, "top": ["dog", "wolf", "fox"], "ok": true}',
    ),
    ('predictions.#(label=="dog")x.score', "0.91"),
    (
        'predictions.#(label=="dog")##',
        '[{"label": "dog", "score": 0.91, "top": ["dog", "wolf", "fox"], "ok": true}]',
    ),
    ('predictions.#(label=="dog")#x.score', "[0.91]"),
    ("outputs.#(", "1"),
    ("mixed.#(", "null"),
    ('names.#[=="Bob")', '"Bob"'),
    ('names.#(=="Bob"]', '"Bob"'),
    ('names.#(=="Bob"]#', '["Bob"]'),
    ("names.#(===Bob)", None),
    ("names.#(=>A)", None),
    ("names.#(!)", None),
    ("names.#(!Bob)", '"Ada"'),
    ("names.#(=)", '""'),
    ("names.#(<>)", '""'),
    ("[id", '"empty"'),
    ("{id", '"empty"'),
    ("[", None),
    ("{", None),
    ("[id]x", None),
    ("[id]id", "7"),
    ("{id}x", None),
    ('{"id', '"empty"'),
    ("[id,,yes]", '[7,"empty",true]'),
    ("[,]", '["empty","empty"]'),
    ("{,}", '{"":"empty","":"empty"}'),
    ("[id}", "[7]"),
    ("{id]", '{"id":7}'),
    ("@this@this", None),
    ("@this..id", None),
    ("@@this", None),
    ("!!true", None),
    ("*|", None),
    ("id.#(", None),
    ("#(id==7)", None),
    ("#(id==7)#", None),
    ("[0]", "[]"),
    ("predictions[0]", None),
    ("predictions[0].label", None),
    ("$.id", None),
    ("id==7", None),
    ("id && yes", None),
    ("..", None),
    ("..id", None),
    ("...id", None),
    ("a..b", None),
    ("\\\\", None),
    ("(id)", None),
    ('"id"', None),
    ("'id'", None),
]


@pytest.mark.parametrize(("path", "raw"), BROKEN)
def test_a_broken_path(document: str, path: str, raw: str | None) -> None:
    result = conditions.get(document, path)
    assert (result.raw if result.exists else None) == raw
    assert conditions.exists(document, path) is (raw is not None)
