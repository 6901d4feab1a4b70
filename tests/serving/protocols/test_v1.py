"""V1 bodies: KServe's words for mistakes, compact and exact JSON for results."""

from __future__ import annotations

import json
from collections import namedtuple
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from umbel.graph.errors import InvalidInput, RequestFailed
from umbel.serving.protocols.v1 import decode_predict, encode_explanations, encode_predictions


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b"{", "Unrecognized request format: "),
        (b'{"instances": [NaN]}', "Unrecognized request format: "),
        (b"[" * 100_000, "Unrecognized request format: "),
        (b"[1]", "Unrecognized request format: expected an object"),
        (b'{"instances": 3}', 'Expected "instances" to be a list'),
        (b'{"instances": {"a": 1}}', 'Expected "instances" to be a list'),
        (b'{"inputs": "x"}', 'Expected "inputs" to be a list'),
        (b'{"other": []}', "got keys ['other']"),
    ],
)
def test_mistakes(body: bytes, words: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        decode_predict(body)
    assert words in str(caught.value)


def test_inputs_win_and_the_rest_of_the_body_is_kept() -> None:
    request = decode_predict(b'{"instances": [1], "inputs": [2], "signature_name": "s"}')
    assert (request.key, request.value) == ("inputs", [2])
    assert request.body["signature_name"] == "s"


def test_an_event_in_plain_json_is_opened_once() -> None:
    event: dict[str, Any] = {
        "time": "t",
        "type": "t",
        "source": "s",
        "id": "1",
        "specversion": "1.0",
        "data": {"instances": [1]},
    }
    assert decode_predict(json.dumps(event).encode()).value == [1]
    with pytest.raises(InvalidInput):
        decode_predict(json.dumps({**event, "data": event}).encode())


class Frame:
    """As much of a DataFrame as the encoder looks at."""

    columns = ("a", "b")

    def to_dict(self, orient: str) -> list[dict[str, object]]:
        assert orient == "records"
        return [{"a": np.int64(1), "b": "x"}]


Point = namedtuple("Point", "x y")


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ([1, 2], b"[1,2]"),
        (np.array([[1, 2], [3, 4]]), b"[[1,2],[3,4]]"),
        (np.arange(6).reshape(2, 3).T, b"[[0,3],[1,4],[2,5]]"),
        (np.arange(4)[::-2], b"[3,1]"),
        (np.array([1.5], "float16"), b"[1.5]"),
        (np.array([0.1], "float32"), b"[0.1]"),
        (np.array([1, 2], ">i4"), b"[1,2]"),
        (np.array([True]), b"[true]"),
        (np.array(3.5), b"3.5"),
        (np.zeros((0, 3)), b"[]"),
        (np.array(["a", "é"]), '["a","é"]'.encode()),
        (np.array([b"a"]), b'["a"]'),
        (np.array([b"\xff"], dtype=object), b'[{"b64":"/w=="}]'),
        (np.array([1.0, np.nan, np.inf]), b"[1.0,null,null]"),
        (float("nan"), b"null"),
        (np.float32(0.5), b"0.5"),
        (2**63 + 1, b"9223372036854775809"),
        (np.array([2**53 + 1]), b"[9007199254740993]"),
        ([2**80, float("nan"), np.int64(1)], b"[1208925819614629174706176,null,1]"),
        ((1, (2, 3)), b"[1,[2,3]]"),
        (Point(1, 2), b"[1,2]"),
        ({"a": [np.arange(2), {"b": np.ones((1, 1))}]}, b'{"a":[[0,1],{"b":[[1.0]]}]}'),
        ({1: "x"}, b'{"1":"x"}'),
        (Frame(), b'[{"a":1,"b":"x"}]'),
        (None, b"null"),
        ("text", b'"text"'),
    ],
)
def test_results_as_compact_json(value: object, expected: bytes) -> None:
    assert encode_predictions(value) == b'{"predictions":' + expected + b"}"


def test_torch_tensors() -> None:
    torch = pytest.importorskip("torch")
    value = {"y": torch.ones(1, 2, requires_grad=True).T}
    assert encode_predictions(value) == b'{"predictions":{"y":[[1.0],[1.0]]}}'


@pytest.mark.parametrize("value", [object(), [{"a": object()}], 1j])
def test_what_json_cannot_hold_is_our_fault(value: object) -> None:
    with pytest.raises(RequestFailed, match="cannot be written as JSON"):
        encode_predictions(value)


def test_a_circle_is_our_fault() -> None:
    circle: list[Any] = []
    circle.append(circle)
    with pytest.raises(RequestFailed):
        encode_predictions(circle)


@given(
    st.recursive(
        st.none()
        | st.booleans()
        | st.integers()
        | st.floats(allow_nan=False, allow_infinity=False)
        | st.text(st.characters(exclude_categories=["Cs"])),
        lambda inner: (
            st.lists(inner, max_size=4)
            | st.dictionaries(st.text(st.characters(exclude_categories=["Cs"])), inner, max_size=3)
        ),
    )
)
def test_json_values_survive(value: object) -> None:
    assert json.loads(encode_predictions(value))["predictions"] == value


def test_explanations() -> None:
    assert encode_explanations([1]) == b'{"predictions":[],"explanations":[1]}'
    assert encode_explanations({"explanations": 1}) == b'{"explanations":1}'
