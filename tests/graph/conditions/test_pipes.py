"""A pipe applies the rest of a path to the result as a whole, a dot to each item."""

from __future__ import annotations

import pytest

from umbel.graph import conditions

PIPES = [
    ("predictions|0|label", '"dog"'),
    ("predictions|0.label", '"dog"'),
    ("predictions.0|label", '"dog"'),
    ("predictions|#", "3"),
    ("predictions.#|x", None),
    ("predictions.#.label|0", '"dog"'),
    ("predictions.#.label|#", "3"),
    ("predictions.#.label|5", None),
    ("predictions.#.top|0", '["dog", "wolf", "fox"]'),
    ("predictions.#.top|0|1", '"wolf"'),
    ("predictions.#.top|#", "3"),
    ("predictions.#.top.0|0", '"dog"'),
    ("model|name", '"iris"'),
    ("model|missing", None),
    ("missing|name", None),
    ("missing|@this", None),
    ("missing|@keys", "[]"),
    ("missing|@values", "[]"),
    ("missing|@tostr", '""'),
    ("missing|[a]", "[]"),
    ("missing|!1", "1"),
    (
        'predictions.#(label=="cat")#|0',
        '{"label": "cat", "score": 0.5, "top": ["cat", "lynx"], "ok": false}',
    ),
    ('predictions.#(label=="cat")#|0.score', "0.5"),
    ('predictions.#(label=="cow")#|0', None),
    ("predictions.#(score>0.1)#|#", "2"),
    ("predictions.#(score>0.1)#.label|1", '"cat"'),
    ("predictions.#(score>0.1)#|label", None),
    ("predictions.#(score>0.1)#.0", "[]"),
    ("predictions.#(score>0.1)#.#", "[]"),
    ("|id", None),
    ("id|", None),
    ("model||name", None),
    ("model|", None),
]


@pytest.mark.parametrize(("path", "raw"), PIPES)
def test_a_pipe(document: str, path: str, raw: str | None) -> None:
    result = conditions.get(document, path)
    assert (result.raw if result.exists else None) == raw
    assert conditions.exists(document, path) is (raw is not None)
