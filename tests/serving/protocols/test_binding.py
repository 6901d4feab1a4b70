"""Requests on a graph's named inputs, and results back into bodies."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest

from umbel.graph.errors import InvalidInput, RequestFailed
from umbel.graph.value_types import Port, Signature, ValueType
from umbel.serving.protocols.binding import bind_v1, bind_v2
from umbel.serving.protocols.datatypes import tensor_of
from umbel.serving.protocols.payload import InferRequest, RequestedOutput
from umbel.serving.protocols.results import check_requested_outputs, v1_body, v2_response
from umbel.serving.protocols.v1 import decode_predict

MATRIX = ValueType("ndarray", "float32", ("batch", 2))
COLUMN = ValueType("ndarray", "int64", ("batch",))
ONE = Signature((Port("x", MATRIX),))
TWO = Signature((Port("x", MATRIX), Port("age", COLUMN)))


def v1(body: object) -> Any:
    return decode_predict(json.dumps(body).encode())


def v2(**arrays: Any) -> InferRequest:
    return InferRequest(tuple(tensor_of(name, np.asarray(a)) for name, a in arrays.items()))


@pytest.mark.parametrize(
    "body",
    [
        {"instances": [[1, 2], [3, 4]]},
        {"inputs": [[1, 2], [3, 4]]},
        {"inputs": {"x": [[1, 2], [3, 4]]}},
        {"instances": [{"x": [1, 2]}, {"x": [3, 4]}]},
    ],
)
def test_v1_one_input(body: object) -> None:
    bound = bind_v1(v1(body), ONE)
    assert bound["x"].dtype == np.float32
    assert bound["x"].tolist() == [[1, 2], [3, 4]]


def test_an_untyped_input_takes_the_instances_as_they_are() -> None:
    rows = [{"a": 1}, [2]]
    assert bind_v1(v1({"instances": rows}), Signature()) == {"input": rows}


@pytest.mark.parametrize(
    "body",
    [
        {"instances": [{"x": [1, 2], "age": 3}, {"x": [3, 4], "age": 5}]},
        {"inputs": {"x": [[1, 2], [3, 4]], "age": [3, 5]}},
    ],
)
def test_v1_several_inputs(body: object) -> None:
    bound = bind_v1(v1(body), TWO)
    assert bound["x"].tolist() == [[1, 2], [3, 4]]
    assert bound["age"].tolist() == [3, 5]


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ({"instances": [1]}, "instances[0]: expected an object with keys ['x', 'age']"),
        ({"instances": [{"x": [1, 2], "age": 1}, {"x": [1, 2]}]}, "instances[1]: expected the"),
        ({"inputs": {"x": [[1, 2]]}}, "missing: ['age']"),
        ({"inputs": {"x": [[1, 2]], "age": [1], "z": 1}}, "unknown: ['z']"),
        ({"inputs": {"x": [[1, 2]], "age": [1, 2]}}, "batch = 1 as in input 'x', not 2"),
        ({"inputs": {"x": [[1, 2]], "age": [1.5]}}, "input 'age': expected a whole number"),
    ],
)
def test_v1_mistakes(body: object, words: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        bind_v1(v1(body), TWO)
    assert words in str(caught.value)


def test_one_value_forms_take_one_instance() -> None:
    text = Signature((Port("text", ValueType("str")),))
    assert bind_v1(v1({"instances": ["hi"]}), text) == {"text": "hi"}
    assert bind_v1(v1({"inputs": {"text": "hi"}}), text) == {"text": "hi"}
    with pytest.raises(InvalidInput, match=r"expected one instance .* got 2"):
        bind_v1(v1({"instances": ["a", "b"]}), text)
    two = Signature((Port("text", ValueType("str")), Port("top", ValueType("int"), False)))
    assert bind_v1(v1({"instances": [{"text": "hi"}]}), two) == {"text": "hi"}
    row = Signature((Port("row", ValueType("dict")),))
    assert bind_v1(v1({"instances": [{"a": 1}]}), row) == {"row": {"a": 1}}


def test_v2_one_input_has_any_name() -> None:
    found = bind_v2(v2(**{"input-0": np.zeros((1, 2), "float32")}), ONE)
    assert found["x"].shape == (1, 2)


def test_v2_inputs_by_name() -> None:
    found = bind_v2(v2(age=np.array([1]), x=np.zeros((1, 2), "float16")), TWO)
    assert found["x"].dtype == np.float32
    assert list(found) == ["x", "age"]


@pytest.mark.parametrize(
    ("request_", "signature", "words"),
    [
        (v2(x=np.zeros((1, 2))), ONE, "input 'x': expected datatype FP32, got FP64"),
        (v2(x=np.array([[b"a", b"b"]])), ONE, "expected datatype FP32, got BYTES"),
        (v2(x=np.zeros((2, 3), "float32")), ONE, "expected shape [batch, 2], got [2, 3]"),
        (v2(), ONE, "expected one input tensor ('x': Tensor[batch, 2] float32), got none"),
        (v2(a=[1], b=[1]), ONE, "expected one input tensor ['x'], got ['a', 'b']"),
        (v2(x=np.zeros((1, 2), "float32")), TWO, "missing: ['age']"),
        (v2(x=[[0]], age=[0], z=[0]), TWO, "unknown: ['z']"),
    ],
)
def test_v2_mistakes(request_: InferRequest, signature: Signature, words: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        bind_v2(request_, signature)
    assert words in str(caught.value)


def test_v2_text_and_json_inputs() -> None:
    text = np.array([b'{"a": 1}'], dtype=object)
    for form, expected in (("str", '{"a": 1}'), ("dict", {"a": 1}), ("json", {"a": 1})):
        signature = Signature((Port("x", ValueType(form)),))  # type: ignore[arg-type]
        assert bind_v2(v2(x=text), signature) == {"x": expected}


def test_v2_columns_become_a_dataframe() -> None:
    pandas = pytest.importorskip("pandas")
    request = v2(a=[1, 2], b=np.array([b"x", b"y"], dtype=object))
    found = bind_v2(request, Signature((Port("rows", ValueType("dataframe")),)))
    assert found["rows"].equals(pandas.DataFrame({"a": [1, 2], "b": ["x", "y"]}))
    marked = InferRequest(request.inputs, parameters={"content_type": "pd"})
    assert bind_v2(marked, Signature())["input"].equals(found["rows"])


KEYED = Signature((Port("x"),), (Port("label"), Port("score")), keyed=True)


@pytest.mark.parametrize(
    ("result", "body", "expected"),
    [
        (
            {"label": ["a", "b"], "score": np.array([1, 2])},
            {"instances": [1, 2]},
            [{"label": "a", "score": 1}, {"label": "b", "score": 2}],
        ),
        (
            {"label": ["a", "b"], "score": np.array([1, 2])},
            {"inputs": [1, 2]},
            {"label": ["a", "b"], "score": [1, 2]},
        ),
        ({"label": "a", "score": 0.5}, {"instances": [1]}, {"label": "a", "score": 0.5}),
        ({"label": ["a"], "score": [1, 2]}, {"instances": [1]}, {"label": ["a"], "score": [1, 2]}),
        ((["a"], [[1, 2]]), {"instances": [1]}, [{"label": "a", "score": [1, 2]}]),
    ],
)
def test_v1_several_outputs(result: object, body: object, expected: object) -> None:
    assert json.loads(v1_body(result, KEYED, v1(body))) == {"predictions": expected}


def test_v1_one_output() -> None:
    request = v1({"instances": [1]})
    assert v1_body(np.array([[1, 2]]), Signature(), request) == b'{"predictions":[[1,2]]}'
    assert v1_body({"a": [1]}, Signature(), request) == b'{"predictions":{"a":[1]}}'


def test_a_result_without_a_declared_output_is_our_fault() -> None:
    with pytest.raises(RequestFailed, match=r"declares outputs \['label', 'score'\]"):
        v1_body({"label": 1}, KEYED, v1({"instances": []}))


def outputs(result: object, signature: Signature = Signature()) -> list[tuple[Any, ...]]:  # noqa: B008
    response = v2_response(result, signature, model_name="m", id="1")
    return [(t.name, t.datatype, t.shape, t.array.tolist()) for t in response.outputs]


@pytest.mark.parametrize(
    ("result", "expected"),
    [
        (np.array([[1, 2]]), ("INT64", (1, 2), [[1, 2]])),
        ([1, 2], ("INT64", (2,), [1, 2])),
        ([2**63], ("UINT64", (1,), [2**63])),
        ([1, 2.5], ("FP64", (2,), [1.0, 2.5])),
        ([[True]], ("BOOL", (1, 1), [[True]])),
        (["a", "é"], ("BYTES", (2,), [b"a", "é".encode()])),
        (np.array(["a"]), ("BYTES", (1,), [b"a"])),
        ("text", ("BYTES", (1,), [b"text"])),
        (0.5, ("FP64", (1,), [0.5])),
        (True, ("BOOL", (1,), [True])),
        (np.float32(0.5), ("FP32", (1,), [0.5])),
        (None, ("BYTES", (1,), [b"null"])),
        ([{"a": 1}, "b"], ("BYTES", (2,), [b'{"a":1}', b"b"])),
        ([[1], [2, 3]], ("BYTES", (2,), [b"[1]", b"[2,3]"])),
        (np.array([{"a": 1}], dtype=object), ("BYTES", (1,), [b'{"a":1}'])),
        ([np.zeros(2, "float32")] * 2, ("FP32", (2, 2), [[0, 0], [0, 0]])),
        ([], ("FP64", (0,), [])),
        ({}, ("BYTES", (1,), [b"{}"])),
    ],
)
def test_v2_any_value_becomes_a_tensor(result: object, expected: tuple[Any, ...]) -> None:
    assert outputs(result) == [("output-0", *expected)]


def test_v2_a_dict_is_a_tensor_for_each_key() -> None:
    assert outputs({"label": "cat", "score": np.array([0.5])}) == [
        ("label", "BYTES", (1,), [b"cat"]),
        ("score", "FP64", (1,), [0.5]),
    ]


def test_v2_declared_outputs_have_their_names_and_dtypes() -> None:
    floats = Signature((), (Port("y", ValueType("ndarray", "float32")),), keyed=True)
    assert outputs({"y": [1, 2]}, floats) == [("y", "FP32", (2,), [1.0, 2.0])]
    with pytest.raises(RequestFailed, match="output 'y' is not what the graph declares"):
        outputs({"y": ["a"]}, floats)


def test_unknown_outputs_are_refused_before_the_graph_runs() -> None:
    request = InferRequest((), outputs=(RequestedOutput("nope"),))
    with pytest.raises(InvalidInput, match=r"'nope': expected some of \['label', 'score'\]"):
        check_requested_outputs(request, KEYED)
    check_requested_outputs(request, Signature())


def test_torch_results() -> None:
    torch = pytest.importorskip("torch")
    assert outputs(torch.ones(1, 2)) == [("output-0", "FP32", (1, 2), [[1.0, 1.0]])]
