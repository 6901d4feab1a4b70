"""Keys, wildcards, escapes, indices and ``#``: what the plain components of a path find."""

from __future__ import annotations

import pytest

from umbel.graph import conditions

KEYS = [
    ("id", "7"),
    ("model", '{"name": "iris", "version": "v2", "tags": ["small", "tabular"]}'),
    ("model.name", '"iris"'),
    ("model.tags", '["small", "tabular"]'),
    ("model.tags.0", '"small"'),
    ("model.tags.1", '"tabular"'),
    ("model.tags.2", None),
    ("model.missing", None),
    ("missing", None),
    ("missing.name", None),
    ("id.name", None),
    ("model.name.first", None),
    ("null", "null"),
    ("yes", "true"),
    ("no", "false"),
    ("none", "[]"),
    ("void", "{}"),
    ("big", "12345678901234567890"),
    ("tiny", "-0.0"),
    ("twice", '"first"'),
    ("été", '"summer"'),
    ("3", '"three"'),
    ("Model", None),
    (" id", None),
    ("id ", None),
    ("model..name", None),
    ("model.", None),
    (".model", None),
    (".", None),
    ("", '"empty"'),
]

ESCAPES = [
    ("a.b", None),
    (r"a\.b", '"dotted"'),
    ("a*b", '"dotted"'),
    (r"a\*b", '"starred"'),
    ("p|q", None),
    (r"p\|q", '"piped"'),
    ('q"uote', '"quoted"'),
    (r"q\"uote", '"quoted"'),
    (r"\@odd.k", "1"),
    ("@odd.k", "1"),
    ("@odd", '{"k": 1}'),
    (r"\#", '"hash"'),
    (r"\id", "7"),
    (r"mod\el.name", '"iris"'),
    (r"model\.name", None),
    ("id\\", "7"),
    ("\\", '"empty"'),
    (r"\3", '"three"'),
]

WILDCARDS = [
    ("mod*.name", '"iris"'),
    ("mod?l.name", '"iris"'),
    ("*del.version", '"v2"'),
    ("model.*", '"iris"'),
    ("model.?ame", '"iris"'),
    ("model.n*e", '"iris"'),
    ("*.tags.0", '"small"'),
    ("m*l.t*s.1", '"tabular"'),
    ("*", "7"),
    ("???", '"dotted"'),
    ("i?", "7"),
    ("i*d", "7"),
    ("?", '"hash"'),
    ("columns.?", "[1, 2, 3]"),
    ("columns.?.1", "2"),
    ("*.z", "0"),
    ("pred*.1.label", '"cat"'),
    ("é?é", '"summer"'),
    ("?t?", '"summer"'),
    (r"*\.b", '"dotted"'),
    (r"a\*?", '"dotted"'),
    ("**", "7"),
    ("*x*", '[null, true, false, 0, 1, "0", "true", "FALSE", "no", "", [], [1], {}, {"a": 1}]'),
    ("zzz*", None),
]

ITEMS = [
    ("predictions.0.label", '"dog"'),
    ("predictions.2.top.1", '"dog"'),
    ("predictions.3", None),
    ("predictions.-1", None),
    ("predictions.00.label", '"dog"'),
    ("predictions.01.label", '"cat"'),
    ("predictions.1x", None),
    ("predictions.label", None),
    ("predictions.18446744073709551617.label", '"cat"'),
    ("outputs.4", "1e2"),
    ("outputs.0.x", None),
    ("matrix.0.1.0", "2"),
    ("matrix.1.1.1.0", "6"),
    ("matrix.2.0", None),
    ("names.3", '""'),
    ("mixed.0", "null"),
    ("mixed.2", "false"),
    ("mixed.10", "[]"),
]

HASHES = [
    ("predictions.#", "3"),
    ("outputs.#", "5"),
    ("none.#", "0"),
    ("none.#.x", "[]"),
    ("void.#", None),
    ("id.#", None),
    ("names.#.x", "[]"),
    ("predictions.#.label", '["dog","cat","wolf"]'),
    ("predictions.#.score", "[0.91,0.5,1e-2]"),
    ("predictions.#.note", "[null]"),
    ("predictions.#.missing", "[]"),
    ("predictions.#.top.#", "[3,2,2]"),
    ("predictions.#.top.0", '["dog","cat","wolf"]'),
    ("predictions.#.top.5", "[]"),
    ("predictions.#.top.#.x", "[[],[],[]]"),
    ("predictions.#.", "[]"),
    ("predictions.##", None),
    ("predictions.#x", None),
    ("predictions.x#", None),
    ("matrix.#.0", "[1,4]"),
    ("matrix.#.1.#", "[2,2]"),
    ("matrix.#.#", "[2,2,0]"),
    ("mixed.#.a", "[1]"),
    ("columns.#", None),
    ("outputs.#|x", None),
    ("predictions.#.label.x", "[]"),
]


@pytest.mark.parametrize(("path", "raw"), KEYS)
def test_a_key(document: str, path: str, raw: str | None) -> None:
    result = conditions.get(document, path)
    assert (result.raw if result.exists else None) == raw
    assert conditions.exists(document, path) is (raw is not None)


@pytest.mark.parametrize(("path", "raw"), ESCAPES)
def test_an_escaped_key(document: str, path: str, raw: str | None) -> None:
    result = conditions.get(document, path)
    assert (result.raw if result.exists else None) == raw
    assert conditions.exists(document, path) is (raw is not None)


@pytest.mark.parametrize(("path", "raw"), WILDCARDS)
def test_a_wildcard(document: str, path: str, raw: str | None) -> None:
    result = conditions.get(document, path)
    assert (result.raw if result.exists else None) == raw
    assert conditions.exists(document, path) is (raw is not None)


@pytest.mark.parametrize(("path", "raw"), ITEMS)
def test_an_index(document: str, path: str, raw: str | None) -> None:
    result = conditions.get(document, path)
    assert (result.raw if result.exists else None) == raw
    assert conditions.exists(document, path) is (raw is not None)


@pytest.mark.parametrize(("path", "raw"), HASHES)
def test_a_hash(document: str, path: str, raw: str | None) -> None:
    result = conditions.get(document, path)
    assert (result.raw if result.exists else None) == raw
    assert conditions.exists(document, path) is (raw is not None)
