from __future__ import annotations

import json
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from umbel.graph.yaml_paths import parse_path, path_text
from umbel.graph.yaml_source import read_documents


def read(text: str) -> Any:
    documents, findings = read_documents(text, "f.yaml")
    assert findings == []
    assert len(documents) == 1
    return documents[0].data


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("yes", True),
        ("on", True),
        ("Off", False),
        ("n", False),
        ('"yes"', "yes"),
        ("2020-01-01", "2020-01-01"),
        ("12:30:45", "12:30:45"),
        ("0123", 83),
        ("0x10", 16),
        ("1_000", 1000),
        ("1e3", 1000.0),
        ("1.0", 1.0),
        ("0.5", 0.5),
        ("~", None),
        ("", None),
        ("!!str 12", "12"),
        ("500m", "500m"),
        ("1.14.0", "1.14.0"),
        ("20.09-py3", "20.09-py3"),
        ("'{\"age\": 1}'", '{"age": 1}'),
        ("--flag", "--flag"),
    ],
)
def test_scalars_mean_what_they_mean_to_kubernetes(text: str, value: object) -> None:
    found = read(f"key: {text}")
    assert found == {"key": value}
    assert type(found["key"]) is type(value)


def test_every_value_knows_its_line() -> None:
    text = "# a comment\nspec:\n  nodes:\n    root:\n      steps:\n      - name: a\n      -\n"
    text += "        name: b\n        condition: >-\n          x\n  'a.b/c': {d: 1}\n"
    document = read_documents(text, "g.yaml")[0][0]
    assert document.place("spec.nodes.root.steps[1].condition").line == 9
    assert document.place("spec.nodes.root.steps[0].name").line == 6
    assert str(document.place('spec["a.b/c"].d')) == 'g.yaml:11 spec["a.b/c"].d'
    assert document.place(("spec", "a.b/c", "d")).line == 11
    missing = document.place("spec.nodes.root.steps[1].weight")
    assert (missing.line, missing.path) == (8, "spec.nodes.root.steps[1].weight")
    assert document.place().line == 2


def test_documents_are_cut_and_counted_and_empty_ones_skipped() -> None:
    documents, findings = read_documents("a: 1\n---\n# nothing\n---\nb: 2\n--- {c: 3}\n", "f")
    assert findings == []
    assert [(one.index, one.data) for one in documents] == [
        (0, {"a": 1}),
        (2, {"b": 2}),
        (3, {"c": 3}),
    ]
    assert [one.place("b").line for one in documents[1:2]] == [5]


def test_a_list_of_resources_is_taken_apart() -> None:
    text = "kind: List\nitems:\n- kind: A\n  x: 1\n- kind: BList\n  items:\n  - {kind: B, y: 2}\n"
    documents, findings = read_documents(text, "f")
    assert findings == []
    assert [one.data["kind"] for one in documents] == ["A", "B"]
    assert documents[0].place("x").line == 4
    assert documents[1].place("y").line == 7


def test_a_broken_document_is_a_finding_with_its_line_and_hides_no_other() -> None:
    documents, findings = read_documents("a: 1\n---\nb: [1\nc: 2\n---\nd: 3\n", "f.yaml")
    assert [one.data for one in documents] == [{"a": 1}, {"d": 3}]
    assert [(one.code, one.severity, one.place.document) for one in findings] == [
        ("UMB-K001", "error", 1)
    ]
    assert findings[0].place.line in (4, 5)


def test_a_key_given_twice_is_a_finding_that_names_both_lines() -> None:
    documents, findings = read_documents("a:\n  b: 1\n  c: 2\n  b: 3\n", "f.yaml")
    assert documents[0].data == {"a": {"b": 3, "c": 2}}
    (finding,) = findings
    assert (finding.code, finding.place.line) == ("UMB-K004", 4)
    assert "line 2" in finding.message


def test_anchors_and_merge_keys_work() -> None:
    text = "base: &base {a: 1, b: 2}\nuse:\n  <<: *base\n  b: 3\nlist: [*base, *base]\n"
    assert read(text) == {
        "base": {"a": 1, "b": 2},
        "use": {"b": 3, "a": 1},
        "list": [{"a": 1, "b": 2}] * 2,
    }


@pytest.mark.parametrize(
    "text",
    [
        "a: &a [x, x, x, x, x, x, x, x, x]\n"
        + "".join(
            f"{new}: &{new} [{', '.join([f'*{old}'] * 9)}]\n"
            for old, new in zip("abcdefgh", "bcdefghi", strict=True)
        ),
        "a: &a [*a]",
        "[" * 100_000,
        "a: " + "{b: " * 300 + "1" + "}" * 300,
    ],
    ids=["bomb", "endless", "deep", "deep mapping"],
)
def test_documents_without_end_are_refused(text: str) -> None:
    documents, findings = read_documents(text, "f")
    assert documents == []
    assert [one.code for one in findings] == ["UMB-K003"]


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("a: {{ .Values.x }}", "UMB-K002"),
        ("a: *gone", "UMB-K001"),
        ("a: \x01", "UMB-K001"),
        ("\tb: 1", "UMB-K001"),
        ("a: \ud800", "UMB-K002"),
        ("a: b: c", "UMB-K001"),
        ('a: "\\ud800"', "UMB-K001"),
        ("- a\nb: c", "UMB-K001"),
    ],
)
def test_what_is_not_yaml_is_one_finding(text: str, code: str) -> None:
    documents, findings = read_documents(text, "f")
    assert documents == []
    assert [(one.code, one.place.line > 0, one.fix != "") for one in findings] == [
        (code, True, True)
    ]


words = st.text(st.characters(codec="utf-8", exclude_categories=("C", "Zl", "Zp")), max_size=8)
values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**40), 2**40) | words,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(words, inner, max_size=4),
    max_leaves=12,
)


@given(values.filter(lambda value: value is not None))
def test_json_reads_as_itself(value: object) -> None:
    documents, findings = read_documents(json.dumps(value, ensure_ascii=False), "f")
    assert findings == []
    assert [one.data for one in documents] == [value]


@given(st.dictionaries(words, values, min_size=1, max_size=4).filter(lambda v: "kind" not in v))
def test_what_yaml_writes_reads_back(value: dict[str, object]) -> None:
    text = yaml.safe_dump(value, allow_unicode=True, default_style='"')
    documents, findings = read_documents(text, "f")
    assert findings == []
    assert [one.data for one in documents] == [value]


@given(st.text(max_size=60))
def test_no_text_raises(text: str) -> None:
    read_documents(text, "f")


@given(st.lists(words.filter(bool) | st.integers(0, 99), min_size=1, max_size=5))
def test_a_path_reads_back(parts: list[str | int]) -> None:
    assert parse_path(path_text(parts)) == tuple(parts)
