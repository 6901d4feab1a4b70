"""Modifiers and their arguments."""

from __future__ import annotations

import pytest

from umbel.graph import conditions

MODIFIERS = [
    ("@this.id", "7"),
    ("@this|id", "7"),
    ("@valid.id", "7"),
    ("model.tags.@reverse", '["tabular","small"]'),
    ("model.tags|@reverse", '["tabular","small"]'),
    ("model.tags.@reverse.0", '"tabular"'),
    ("model.@reverse", '{"tags":["small", "tabular"],"version":"v2","name":"iris"}'),
    ("id.@reverse", "7"),
    ("outputs.@reverse|0", "1e2"),
    ("predictions.0.@ugly", '{"label":"dog","score":0.91,"top":["dog","wolf","fox"],"ok":true}'),
    ("model.@ugly|name", '"iris"'),
    ("matrix.@ugly", "[[1,[2,3]],[4,[5,[6]]],[]]"),
    (
        "model.@pretty",
        '{\n  "name": "iris",\n  "version": "v2",\n  "tags": ["small", "tabular"]\n}\n',
    ),
    ("model.tags.@pretty", '["small", "tabular"]\n'),
    (
        r'model.@pretty:{"sortKeys":true,"indent":"\t"}',
        '{\n\t"name": "iris",\n\t"tags": ["small", "tabular"],\n\t"version": "v2"\n}\n',
    ),
    (
        'model.@pretty:{"width":5}',
        '{\n  "name": "iris",\n  "version": "v2",\n'
        '  "tags": [\n    "small",\n    "tabular"\n  ]\n}\n',
    ),
    (
        'model.@pretty:{"width":0,"indent":""}',
        '{\n"name": "iris",\n"version": "v2",\n"tags": [\n"small",\n"tabular"\n]\n}\n',
    ),
    (
        'model.@pretty:{"prefix":" "}',
        '{\n   "name": "iris",\n   "version": "v2",\n   "tags": ["small", "tabular"]\n }\n',
    ),
    ("none.@pretty", "[]\n"),
    ("id.@pretty", "7"),
    (
        "predictions.1.@pretty",
        '{\n  "label": "cat",\n  "score": 0.5,\n  "top": ["cat", "lynx"],\n  "ok": false\n}\n',
    ),
    ("matrix.@flatten", "[1, [2, 3],4, [5, [6]]]"),
    ('matrix.@flatten:{"deep":true}', "[1,2,3,4,5,6]"),
    ('matrix.@flatten:{"deep":false}', "[1, [2, 3],4, [5, [6]]]"),
    ("matrix.@flatten|#", "4"),
    ("matrix.@flatten|1", "[2, 3]"),
    ("outputs.@flatten", "[1,2.5,-3,40,1e2]"),
    ("model.@flatten", '{"name": "iris", "version": "v2", "tags": ["small", "tabular"]}'),
    ("none.@flatten", "[]"),
    ("[model,columns].@join|@keys", '["name","version","tags","x","y","z"]'),
    ('[model,{"name":id}].@join', '{"name":7,"version":"v2","tags":["small", "tabular"]}'),
    ('[model,{"name":id}].@join.name', "7"),
    (
        '[model,{"name":id}].@join:{"preserve":true}',
        '{"name": "iris", "version": "v2", "tags": ["small", "tabular"],"name":7}',
    ),
    ('[model,{"name":id}].@join:{"preserve":true}.name', '"iris"'),
    ("[id,names].@join", "{}"),
    ("model.@join", '{"name": "iris", "version": "v2", "tags": ["small", "tabular"]}'),
    ("model.@keys", '["name","version","tags"]'),
    ("model.@keys.#", "3"),
    ("predictions.@keys", "[null,null,null]"),
    ("id.@keys", "[null]"),
    ("void.@keys", "[]"),
    ("model.@values", '["iris","v2",["small", "tabular"]]'),
    ("predictions.0.@values", '["dog",0.91,["dog", "wolf", "fox"],true]'),
    ("names.@values", '["Ada", "Bob", "Cleo", "", "Édith"]'),
    ("id.@values", "[7]"),
    ("missing.@values", "[]"),
    ("model.tags.@tostr", r'"[\"small\", \"tabular\"]"'),
    ("id.@tostr", '"7"'),
    ("model.name.@tostr", r'"\"iris\""'),
    ("predictions.0.ok.@tostr", '"true"'),
    ("names.4.@tostr", r'"\"Édith\""'),
    ("text.@fromstr", '{"a":{"b":[5]}}'),
    ("text.@fromstr.a.b.0", "5"),
    ("text.@fromstr|a|b|#", "1"),
    ("model.tags.@tostr.@fromstr.1", '"tabular"'),
    ("id.@fromstr", "7"),
    ("null.@fromstr", None),
    ("yes.@fromstr", "true"),
    ("names.0.@fromstr", None),
    ("columns.@group", '[{"x":1,"y":"a"},{"x":2,"y":"b"},{"x":3}]'),
    ("columns.@group.1.y", '"b"'),
    ("columns.@group.#", "3"),
    ("names.@group", None),
    ("@dig:label", '["dog","cat","wolf"]'),
    ("@dig:top.0", '["dog","cat","wolf"]'),
    ("@dig:#(score>0.6).label", '["dog"]'),
    ("@dig:nothing", "[]"),
    ("model.@dig:name", '["iris"]'),
    ("outputs.@dig:#", "[5]"),
    ("matrix.@dig:#", "[3,2,2,2,2,1,0]"),
    ("@dig:label|0", '"dog"'),
    ("@dig:label|#", "3"),
    ("@odd", '{"k": 1}'),
    ("@unknown", None),
    ("model.@unknown", None),
    ("model|@unknown", None),
    ("@this:anything|id", "7"),
    ("@this:any.thing|id", "7"),
    ('@this:{"a":"}"}.id', "7"),
    ('@this:"a|b".id', "7"),
    ("@this:(a|b)|id", "7"),
    ("@this:|id", "7"),
    ("@", None),
]


@pytest.mark.parametrize(("path", "raw"), MODIFIERS)
def test_a_modifier(document: str, path: str, raw: str | None) -> None:
    result = conditions.get(document, path)
    assert (result.raw if result.exists else None) == raw
    assert conditions.exists(document, path) is (raw is not None)


def test_this_is_the_document_itself(document: str) -> None:
    assert conditions.get(document, "@this").raw == document
    assert conditions.get(document, "@this:").raw == document
