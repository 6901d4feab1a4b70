"""JSON that is nested more deeply than Python's own reader and writer go."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from umbel.graph.errors import RequestFailed
from umbel.nodes import deep_json, go_json
from umbel.serving.protocols.json_bodies import encode_json

VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**60), 2**60)
    | st.floats(allow_nan=False)
    | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)


def members(value: Mapping[Any, Any]) -> Iterator[tuple[str, Any]]:
    for key, item in value.items():
        yield json.dumps(key), item


def number(text: str) -> int | float:
    return float(text) if set(text) & set(".eE") else int(text)


@given(VALUES, st.sampled_from([None, 2]))
def test_the_same_as_the_standard_library(value: Any, indent: int | None) -> None:
    if not _finite(value):
        return
    assert deep_json.decode(json.dumps(value, indent=indent), number) == value
    assert deep_json.encode(value, json.dumps, members) == json.dumps(value, separators=(",", ":"))


def _finite(value: Any) -> bool:
    return "Infinity" not in json.dumps(value)


@given(st.text('[]{}",:1a \\tn', max_size=12))
def test_what_is_no_json_is_refused(text: str) -> None:
    try:
        expected = json.loads(text)
    except ValueError:
        with pytest.raises(ValueError, match=r"."):
            deep_json.decode(text, number)
    else:
        assert deep_json.decode(text, number) == expected


@pytest.mark.parametrize("depth", [900, 1100, 9_999])
@pytest.mark.parametrize(("start", "end"), [("[", "]"), ('{"a":', "}")])
def test_go_s_json_is_read_and_written_at_any_depth(depth: int, start: str, end: str) -> None:
    text = (start * depth + "1" + end * depth).encode()
    assert go_json.encode(go_json.decode(text)) == text
    assert encode_json(go_json.decode(text)).replace(b"1.0", b"1") == text


def test_deeper_than_go_goes() -> None:
    text = b'{"a":' * 10_001 + b"1" + b"}" * 10_001
    with pytest.raises(RequestFailed, match="exceeded max depth"):
        go_json.decode_object(text)


def test_deep_predictions_become_instances() -> None:
    deep = b"[" * 3000 + b"]" * 3000
    assert (
        go_json.predictions_to_instances(b'{"predictions":%s}' % deep) == b'{"instances":%s}' % deep
    )


def test_a_result_that_holds_itself_is_told() -> None:
    value: list[Any] = []
    value.append(value)
    with pytest.raises(RequestFailed, match="holds itself"):
        encode_json(value)
