"""Multipaths and literals: components that make new JSON."""

from __future__ import annotations

import pytest

from umbel.graph import conditions

MULTIPATHS = [
    ("[id]", "[7]"),
    ("[id,model.name]", '[7,"iris"]'),
    ("[id,missing,yes]", "[7,true]"),
    ("[missing]", "[]"),
    ("[]", '["empty"]'),
    ("{}", '{"":"empty"}'),
    ("[id,model.name].1", '"iris"'),
    ("[id,model.name]|#", "2"),
    ("{id}", '{"id":7}'),
    ("{id,model.name}", '{"id":7,"name":"iris"}'),
    ("{id,model.name}.name", '"iris"'),
    ('{"n":model.name,"i":id}', '{"n":"iris","i":7}'),
    ("{n:model.name}", '{"n":"iris"}'),
    ("{n:model.name}.n", '"iris"'),
    ('{"n":model.name,"n":id}.n', '"iris"'),
    (r'{"a.b":id}.a\.b', "7"),
    (r"{a\.b}", r'{"a\\.b":"dotted"}'),
    ("{model.tags.0,predictions.#}", '{"0":"small","_":3}'),
    ("{predictions.#(ok==true).label}", '{"label":"dog"}'),
    (
        "{predictions.#(ok==true)}",
        '{"_":{"label": "dog", "score": 0.91, "top": ["dog", "wolf", "fox"], "ok": true}}',
    ),
    ('{"all":@this.id}', '{"all":7}'),
    ("{:id}", '{"id":7}'),
    ("{missing,id}", '{"id":7}'),
    ("{model.@ugly}", '{"@ugly":{"name":"iris","version":"v2","tags":["small","tabular"]}}'),
    ('{"x":[id,yes],"y":{"z":no}}', '{"x":[7,true],"y":{"z":false}}'),
    ('{"x":[id,yes],"y":{"z":no}}.y.z', "false"),
    ("model.[name,version]", '["iris","v2"]'),
    ('model.{name,"v":version}', '{"name":"iris","v":"v2"}'),
    ("model.{name}.name", '"iris"'),
    (
        "predictions.#.{label,score}",
        '[{"label":"dog","score":0.91},{"label":"cat","score":0.5},{"label":"wolf","score":1e-2}]',
    ),
    ("predictions.#.[label,top.0]", '[["dog","dog"],["cat","cat"],["wolf","wolf"]]'),
    ('predictions.#.{label,"n":top.#}|1', '{"label":"cat","n":2}'),
    ("predictions.#(ok==true).{label}", '{"label":"dog"}'),
    ("predictions.#(score>0.1)#.{label}", '[{"label":"dog"},{"label":"cat"}]'),
    ("predictions.#(score>0.1)#.{label}|0.label", '"dog"'),
    ("[predictions.#.label,outputs.#].0.1", '"cat"'),
    ('[{"a":id},{"a":no}].#(a==7)', '{"a":7}'),
    (r'{"a\"b":id}', r'{"a\"b":7}'),
    ('{"<&>":id}', '{"<&>":7}'),
    ("{été}", '{"été":"summer"}'),
    ("[model.tags|0,model|name]", '["small","iris"]'),
    ("[@this.id,!2]", "[7,2]"),
]

LITERALS = [
    ("!true", "true"),
    ("!false", "false"),
    ("!null", "null"),
    ("!5", "5"),
    ("!-1.5", "-1.5"),
    ('!"text"', '"text"'),
    ("![1,2]", "[1,2]"),
    ("![1,2].1", "2"),
    ('!{"a":{"b":3}}', '{"a":{"b":3}}'),
    ('!{"a":{"b":3}}.a.b', "3"),
    ("!nan", "nan"),
    ("!inf", "inf"),
    ("!True", None),
    ("!other", None),
    ("!", None),
    ("id.!true", None),
    ("id|!true", "true"),
    ('model|!"x"', '"x"'),
    ("missing.!true", None),
    ('[!"a",!1,!null,id]', '["a",1,null,7]'),
    ('{"k":!"v"}', '{"k":"v"}'),
    ('{"k":!{"x":1},"i":id}.k.x', "1"),
    ('predictions.#.{label,"src":!"m"}|0', '{"label":"dog","src":"m"}'),
    ('predictions.#(label==!"dog")', None),
]


@pytest.mark.parametrize(("path", "raw"), MULTIPATHS)
def test_a_multipath(document: str, path: str, raw: str | None) -> None:
    result = conditions.get(document, path)
    assert (result.raw if result.exists else None) == raw
    assert conditions.exists(document, path) is (raw is not None)


@pytest.mark.parametrize(("path", "raw"), LITERALS)
def test_a_literal(document: str, path: str, raw: str | None) -> None:
    result = conditions.get(document, path)
    assert (result.raw if result.exists else None) == raw
    assert conditions.exists(document, path) is (raw is not None)
