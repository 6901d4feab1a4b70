"""Queries on text, numbers and booleans, and queries inside queries."""

from __future__ import annotations

import pytest

from umbel.graph import conditions

TEXT = [
    (
        'predictions.#(label=="dog")',
        '{"label": "dog", "score": 0.91, "top": ["dog", "wolf", "fox"], "ok": true}',
    ),
    ('predictions.#(label=="dog").score', "0.91"),
    ('predictions.#(label="dog").score', "0.91"),
    ("predictions.#(label==dog).score", "0.91"),
    ('predictions.#( label == "dog" ).score', "0.91"),
    ('predictions.#(label==" dog").score', None),
    ("predictions.#(label=='dog').score", None),
    ('predictions.#(label=="cow")', None),
    ('predictions.#(label=="cow").score', None),
    ('predictions.#(label!="dog").label', '"cat"'),
    ('predictions.#(label!="dog")#.label', '["cat","wolf"]'),
    ('predictions.#(label<"dog").label', '"cat"'),
    ('predictions.#(label<="dog")#.label', '["dog","cat"]'),
    ('predictions.#(label>"dog").label', '"wolf"'),
    ('predictions.#(label>="dog")#.label', '["dog","wolf"]'),
    ('predictions.#(label%"d*").label', '"dog"'),
    ('predictions.#(label%"?o*")#.label', '["dog","wolf"]'),
    ("predictions.#(label%d?g).label", '"dog"'),
    ('predictions.#(label%"o")#', "[]"),
    ('predictions.#(label!%"d*")#.label', '["cat","wolf"]'),
    ('predictions.#(label%"*")#.label', '["dog","cat","wolf"]'),
    (r'predictions.#(label=="d\u006fg").label', '"dog"'),
    (
        'predictions.#(label=="dog")#',
        '[{"label": "dog", "score": 0.91, "top": ["dog", "wolf", "fox"], "ok": true}]',
    ),
    ('predictions.#(label=="cow")#', "[]"),
    ('predictions.#(label=="cow")#.score', "[]"),
    ('predictions.#(missing=="x")', None),
    ('predictions.#(missing!="x")', None),
    ('predictions.#(missing!="x")#', "[]"),
    ("predictions.#(note==null)", None),
    ('predictions.#(note!="x")', None),
    ('predictions.#(top=="x")', None),
    ('predictions.#(top!="x")', None),
    ("predictions.#(label)#.label", '["dog","cat","wolf"]'),
    ("predictions.#(note)#.label", '["wolf"]'),
    ("predictions.#(missing)", None),
    ('predictions.#(label~="dog")', None),
    ('predictions.#[label=="cat"].score', "0.5"),
    ('predictions.#[label=="cat"]#.score', "[0.5]"),
    ('names.#(=="Bob")', '"Bob"'),
    ('names.#("Bob")', None),
    ('names.#(%"*e*")#', '["Cleo"]'),
    ('names.#(!%"*e*")#', '["Ada","Bob","","Édith"]'),
    ('names.#(%"?")', None),
    ('names.#(%"É*")', '"Édith"'),
    ('names.#(%"?dith")', '"Édith"'),
    ('names.#(=="")', '""'),
    ('names.#(="")#', '[""]'),
    ('names.#(!="")#', '["Ada","Bob","Cleo","Édith"]'),
    ('names.#(>"B")#', '["Bob","Cleo","Édith"]'),
    ("names.#(>=Bob)#", '["Bob","Cleo","Édith"]'),
    ('names.#(<"B")#', '["Ada",""]'),
    ('names.#(=="A" || =="Bob")', None),
    ('names.#(!="Ada" && !="Bob")', '"Ada"'),
    ("names.#()", '"Ada"'),
    ("names.#()#", '["Ada","Bob","Cleo","","Édith"]'),
]

NUMBERS = [
    ("outputs.#(==40)", "40"),
    ("outputs.#(=40.0)", "40"),
    ("outputs.#(==4e1)", "40"),
    ('outputs.#(=="40")', "40"),
    ("outputs.#(!=1)#", "[2.5,-3,40,1e2]"),
    ("outputs.#(<0)", "-3"),
    ("outputs.#(<=1)#", "[1,-3]"),
    ("outputs.#(>2)#", "[2.5,40,1e2]"),
    ("outputs.#(>=100)", "1e2"),
    ("outputs.#(>100)", None),
    ("outputs.#(>abc)#", "[1,2.5,40,1e2]"),
    ("outputs.#(<abc)#", "[-3]"),
    ('outputs.#(>"")#', "[1,2.5,40,1e2]"),
    ("outputs.#(>inf)#", "[]"),
    ("outputs.#(<=Infinity)#", "[1,2.5,-3,40,1e2]"),
    ("outputs.#(>-inf)#", "[1,2.5,-3,40,1e2]"),
    ("outputs.#(==nan)#", "[]"),
    ("outputs.#(!=nan)#", "[1,2.5,-3,40,1e2]"),
    ("outputs.#(==0x1p0)", "1"),
    ("outputs.#(==0x28)", None),
    ("outputs.#(<1_00)#", "[1,2.5,-3,40]"),
    ("outputs.#(==+1)", "1"),
    ("outputs.#(==1.)", "1"),
    ("outputs.#(>.5)#", "[1,2.5,40,1e2]"),
    ("outputs.#(>1 && <50)#", "[1,2.5,40,1e2]"),
    ("outputs.#(>1)#|#(<50)#", "[2.5,40]"),
    ('outputs.#(%"4*")', None),
    ('outputs.#(!%"4*")', None),
    ("outputs.#(=true)", None),
    ("predictions.#(score>0.5).label", '"dog"'),
    ("predictions.#(score>=0.5)#.label", '["dog","cat"]'),
    ("predictions.#(score<0.1).label", '"wolf"'),
    ("predictions.#(score=0.01).label", '"wolf"'),
    ('predictions.#(score>"0.5").label', '"dog"'),
    ("predictions.#(score>0.5x)#.label", '["dog","cat","wolf"]'),
    ("[@this].#(id==7).model.name", '"iris"'),
    ("[@this].#(id==8)", None),
    ("[@this].#(id>6).id", "7"),
    ('[@this].#(id=="7").id', "7"),
    ('[@this].#(model.name=="iris").id', "7"),
    ('[@this].#(model.name=="iris")#|0.id', "7"),
    ("[@this].#(big==12345678901234567000).id", "7"),
    ("[@this].#(tiny==0).id", "7"),
    ("[@this].#(predictions.0.score>0.9)|@keys|0", '"id"'),
]

BOOLEANS = [
    ("predictions.#(ok==true).label", '"dog"'),
    ("predictions.#(ok==false).label", '"cat"'),
    ("predictions.#(ok!=true).label", '"cat"'),
    ("predictions.#(ok!=false)#.label", '["dog"]'),
    ("predictions.#(ok>false).label", '"dog"'),
    ("predictions.#(ok<true).label", '"cat"'),
    ("predictions.#(ok>=x)#.label", '["dog"]'),
    ("predictions.#(ok<=x)#.label", '["cat"]'),
    ('predictions.#(ok=="true").label', '"dog"'),
    ("predictions.#(ok==1)", None),
    ("predictions.#(ok)#.label", '["dog","cat"]'),
    ("mixed.#(==true)#", '[true,0,"true"]'),
    ("mixed.#(!=true)#", '[false,1,"0","FALSE","no",""]'),
    ("mixed.#(==false)#", "[false,0]"),
    ("mixed.#(==null)#", "[0]"),
    ("mixed.#(==~true)#", '[true,1,"true"]'),
    ("mixed.#(==~false)#", '[null,false,0,"0","FALSE",[],[1],{},{"a": 1}]'),
    ("mixed.#(==~null)#", '[null,[],[1],{},{"a": 1}]'),
    ("mixed.#(==~*)#", '[null,true,false,0,1,"0","true","FALSE","no",""]'),
    ("mixed.#(!=~true)#", '[null,false,0,"0","FALSE","no","",[],[1],{},{"a": 1}]'),
    ("mixed.#(!=~false)#", '[true,1,"true","no",""]'),
    ("mixed.#(!=~null)#", '[true,false,0,1,"0","true","FALSE","no",""]'),
    ("mixed.#(!=~*)#", '[[],[1],{},{"a": 1}]'),
    ("mixed.#(~true)#", "[]"),
    ("mixed.#(==~yes)#", "[]"),
    ("mixed.#(>~true)#", "[]"),
    ("mixed.#(>=~true)#", '[true,1,"true"]'),
    ("mixed.#(<~true)#", '[null,false,0,"0","FALSE","no","",[],[1],{},{"a": 1}]'),
    ("mixed.#(<=~true)#", '[null,false,0,"0","FALSE","no","",[],[1],{},{"a": 1}]'),
    ("mixed.#(%~true)#", "[]"),
    ("mixed.#(a==~*)#", '[{"a": 1}]'),
    ("mixed.#(a!=~*)#", "[[],[1],{}]"),
    ("mixed.#(a==~null)#", "[[],[1],{}]"),
    ("mixed.#(a==~true)#", '[{"a": 1}]'),
    ("predictions.#(note==~null)#.label", '["dog","cat","wolf"]'),
    ("predictions.#(note==~*)#.label", '["wolf"]'),
    ("predictions.#(note!=~*)#.label", '["dog","cat"]'),
    ("predictions.#(ok==~true)#.label", '["dog"]'),
    ("predictions.#(ok==~false)#.label", '["cat","wolf"]'),
]

NESTED = [
    ('predictions.#(top.#(=="lynx")).label', '"cat"'),
    ('predictions.#(top.#(=="dog"))#.label', '["dog","wolf"]'),
    ('predictions.#(top.#(=="cow"))#.label', "[]"),
    ('predictions.#(top.#(%"*o*")#)#.label', '["dog","cat","wolf"]'),
    ('predictions.#(top.#(%"*o*")#|#==2)#.label', '["wolf"]'),
    ("predictions.#(top.#>2).label", '"dog"'),
    ("predictions.#(top.#==2)#.label", '["cat","wolf"]'),
    ('predictions.#(top.0=="wolf").label', '"wolf"'),
    ('predictions.#(top.@reverse.0=="dog").label', '"wolf"'),
    ("predictions.#([label,score].#==2)#.label", '["dog","cat","wolf"]'),
    ('predictions.#(score>0.1)#|#(label=="cat").score', "0.5"),
    ('predictions.#(score>0.1).top.#(%"w*")', '"wolf"'),
    ('predictions.#(score>0.1)#.top.#(%"*o*")', '["dog"]'),
    ('predictions.#(score>0.1)#.top.#(%"*o*")#', '[["dog","wolf","fox"],[]]'),
    ("matrix.#(#>1)#", "[[1, [2, 3]],[4, [5, [6]]]]"),
    ("matrix.#(0==4).1.0", "5"),
    ("matrix.#(1.#(>4)).0", "4"),
    ('[@this].#(predictions.#(label=="cat").score==0.5).id', "7"),
    ("[@this].#(outputs.#(>99)).id", "7"),
    ("mixed.#(#==0)", "[]"),
]


@pytest.mark.parametrize(("path", "raw"), TEXT)
def test_a_query_on_text(document: str, path: str, raw: str | None) -> None:
    result = conditions.get(document, path)
    assert (result.raw if result.exists else None) == raw
    assert conditions.exists(document, path) is (raw is not None)


@pytest.mark.parametrize(("path", "raw"), NUMBERS)
def test_a_query_on_numbers(document: str, path: str, raw: str | None) -> None:
    result = conditions.get(document, path)
    assert (result.raw if result.exists else None) == raw
    assert conditions.exists(document, path) is (raw is not None)


@pytest.mark.parametrize(("path", "raw"), BOOLEANS)
def test_a_query_on_booleans(document: str, path: str, raw: str | None) -> None:
    result = conditions.get(document, path)
    assert (result.raw if result.exists else None) == raw
    assert conditions.exists(document, path) is (raw is not None)


@pytest.mark.parametrize(("path", "raw"), NESTED)
def test_a_query_in_a_query(document: str, path: str, raw: str | None) -> None:
    result = conditions.get(document, path)
    assert (result.raw if result.exists else None) == raw
    assert conditions.exists(document, path) is (raw is not None)
