"""JSON as Go reads and writes it. What is expected here was read off Go itself."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from umbel.graph.errors import RequestFailed
from umbel.nodes import go_json
from umbel.nodes.go_json_faults import fault


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (b"", "unexpected end of JSON input"),
        (b"  ", "unexpected end of JSON input"),
        (b'{"a":', "unexpected end of JSON input"),
        (b'"open', "unexpected end of JSON input"),
        (b"not json", "invalid character 'o' in literal null (expecting 'u')"),
        (b"nul", "invalid character ' ' in literal null (expecting 'l')"),
        (b"<html>", "invalid character '<' looking for beginning of value"),
        (b"{'a':1}", "invalid character '\\'' looking for beginning of object key string"),
        (b'{"a" 1}', "invalid character '1' after object key"),
        (b'{"a":1 "b"}', "invalid character '\"' after object key:value pair"),
        (b"[1 2]", "invalid character '2' after array element"),
        (b"{} {}", "invalid character '{' after top-level value"),
        (b"[1,]", "invalid character ']' looking for beginning of value"),
        (b'{"a":1,}', "invalid character '}' looking for beginning of object key string"),
        (b"01", "invalid character '1' after top-level value"),
        (b"-x", "invalid character 'x' in numeric literal"),
        (b"1.", "invalid character ' ' after decimal point in numeric literal"),
        (b"1ex", "invalid character 'x' in exponent of numeric literal"),
        (b'"\\x"', "invalid character 'x' in string escape code"),
        (b'"\\u12g4"', "invalid character 'g' in \\u hexadecimal character escape"),
        (b'"a\nb"', "invalid character '\\n' in string literal"),
        (b'"a\x01b"', "invalid character '\\x01' in string literal"),
        (b"\xff", "invalid character 'ÿ' looking for beginning of value"),
        (b"\xc2\xa0{}", "invalid character 'Â' looking for beginning of value"),
        (b"[" * 10_001, "exceeded max depth"),
    ],
)
def test_go_s_words(text: bytes, words: str) -> None:
    assert fault(text) == words


@given(st.recursive(st.none() | st.booleans() | st.floats(allow_nan=False) | st.text(), st.lists))
def test_json_has_no_fault(value: object) -> None:
    if "Infinity" not in json.dumps(value):
        assert fault(json.dumps(value, ensure_ascii=False).encode("utf-8", "replace")) == ""


@given(st.text(alphabet='{}[]",:.-+eE019\\utrfalsn \n', max_size=12))
def test_a_fault_is_found_where_python_finds_one(text: str) -> None:
    try:
        json.loads(text)
    except ValueError:
        assert fault(text.encode())
    else:
        assert fault(text.encode()) == ""


@given(
    st.recursive(
        st.none() | st.booleans() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
        lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    )
)
def test_what_is_written_reads_back(value: object) -> None:
    written = go_json.encode(value)
    assert go_json.encode(go_json.decode(written)) == written
    plain = json.dumps(value, ensure_ascii=False).encode("utf-8", "replace")
    assert go_json.decode(written) == go_json.decode(plain)


@pytest.mark.parametrize("body", [b"[]", b'"s"', b"1", b"true", b"x", b""])
def test_only_objects(body: bytes) -> None:
    with pytest.raises(RequestFailed):
        go_json.decode_object(body)


def test_predictions_to_instances_ignores_what_it_does_not_look_at() -> None:
    assert (
        go_json.predictions_to_instances(b'{"x":1e999,"predictions":[1]}') == b'{"instances":[1]}'
    )
    assert go_json.predictions_to_instances(b'{"predictions":[1e999]}') is None
    assert go_json.predictions_to_instances(b'{"instances":[1e999],"predictions":[1]}') is None
