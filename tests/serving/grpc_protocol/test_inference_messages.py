"""Tensors survive the way through messages, and what cannot be right is refused by name."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from umbel.graph.errors import InvalidInput, RequestFailed
from umbel.serving.protocols.datatypes import tensor_of
from umbel.serving.protocols.payload import (
    InferRequest,
    InferResponse,
    RequestedOutput,
    Tensor,
)

pytest.importorskip("google.protobuf")

from umbel.serving.grpc_protocol.inference_messages import (
    request_from_message,
    request_to_message,
    response_from_message,
    response_to_message,
)
from umbel.serving.grpc_protocol.messages import (
    ModelInferRequest,
    ModelInferResponse,
)

DTYPES = ["bool", "int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64"]
DTYPES += ["float16", "float32", "float64"]

NUMBERS = st.sampled_from(DTYPES).flatmap(
    lambda name: arrays.arrays(name, arrays.array_shapes(min_dims=0, max_dims=3, min_side=0))
)
TEXTS = st.lists(st.binary(max_size=5), max_size=5).map(
    lambda items: np.array([*items, None], dtype=object)[:-1]
)
PARAMETERS = st.dictionaries(
    st.text(min_size=1, max_size=5),
    st.booleans() | st.integers(-(2**63), 2**64 - 1) | st.text(max_size=5) | st.floats(),
    max_size=3,
)


def same(one: Tensor, other: Tensor) -> bool:
    if one.array.dtype.kind == "O":
        return bool(one.array.tolist() == other.array.tolist())
    return one.array.dtype == other.array.dtype and one.array.tobytes() == other.array.tobytes()


@given(array=NUMBERS | TEXTS, parameters=PARAMETERS)
def test_a_request_arrives_as_it_was_sent(array: Any, parameters: dict[str, object]) -> None:
    tensor = Tensor(*_parts(tensor_of("x", array)), parameters)
    sent = InferRequest((tensor,), "7", parameters, (RequestedOutput("y"),))
    message = request_to_message(sent, "m")
    got = request_from_message(ModelInferRequest.FromString(message.SerializeToString()))
    assert message.model_name == "m"
    assert (got.id, got.outputs[0].name) == ("7", "y")
    assert repr(got.parameters) == repr({k: parameters[k] for k in got.parameters})
    assert got.parameters.keys() == parameters.keys() == got.inputs[0].parameters.keys()
    assert got.inputs[0].shape == array.shape
    assert same(got.inputs[0], tensor)


@given(array=NUMBERS | TEXTS, raw=st.booleans())
def test_a_response_is_raw_if_asked_or_if_it_must_be(array: Any, raw: bool) -> None:
    tensor = tensor_of("y", array)
    message = response_to_message(InferResponse("m", (tensor,)), InferRequest(()), raw=raw)
    assert bool(message.raw_output_contents) == (raw or array.dtype == np.float16)
    got = response_from_message(ModelInferResponse.FromString(message.SerializeToString()))
    assert got.outputs[0].shape == array.shape
    assert same(got.outputs[0], tensor)


def test_outputs_come_in_the_order_asked() -> None:
    outputs = tuple(tensor_of(name, np.zeros(1)) for name in "abc")
    asked = InferRequest((), outputs=(RequestedOutput("c"), RequestedOutput("a")))
    message = response_to_message(InferResponse("m", outputs), asked, raw=False)
    assert [output.name for output in message.outputs] == ["c", "a"]
    with pytest.raises(InvalidInput, match=r"'z'.*\['a', 'b', 'c'\]"):
        response_to_message(
            InferResponse("m", outputs), InferRequest((), outputs=(RequestedOutput("z"),)), raw=True
        )


def given_input(**fields: Any) -> dict[str, Any]:
    return {"name": "x", "datatype": "FP32", "shape": [2], **fields}


FP32 = {"fp32_contents": [1, 2]}

WRONG: dict[str, tuple[dict[str, Any], str]] = {
    "more raw than inputs": (
        {"inputs": [given_input()], "raw_input_contents": [b"", b""]},
        "raw_input_contents for each of 1 inputs, got 2",
    ),
    "less raw than inputs": (
        {"inputs": [given_input(), given_input(name="y")], "raw_input_contents": [b""]},
        "raw_input_contents for each of 2 inputs, got 1",
    ),
    "raw and contents": (
        {"inputs": [given_input(contents=FP32)], "raw_input_contents": [bytes(8)]},
        "'x': expected contents or raw_input_contents, got both",
    ),
    "raw of another size": (
        {"inputs": [given_input()], "raw_input_contents": [bytes(7)]},
        "'x': expected 8 bytes for FP32 of shape",
    ),
    "too few elements": (
        {"inputs": [given_input(contents={"fp32_contents": [1]})]},
        "'x': expected 2 elements in fp32_contents for shape .*, got 1",
    ),
    "no elements": ({"inputs": [given_input()]}, "expected 2 elements in fp32_contents"),
    "another field": (
        {"inputs": [given_input(contents={"fp64_contents": [1, 2]})]},
        "'x': expected FP32 in fp32_contents, got fp64_contents",
    ),
    "FP16 as contents": (
        {"inputs": [given_input(datatype="FP16", contents=FP32)]},
        "'x': FP16 has no typed contents: send raw_input_contents",
    ),
    "a number too large": (
        {"inputs": [given_input(datatype="INT8", contents={"int_contents": [1, 200]})]},
        "'x': expected numbers that fit int8, got 200",
    ),
    "an unknown datatype": (
        {"inputs": [given_input(datatype="FP12", contents=FP32)]},
        "'x': expected a datatype of .*, got 'FP12'",
    ),
    "a negative length": ({"inputs": [given_input(shape=[-1])]}, "lengths of 0 or more"),
    "a product that overflows": (
        {"inputs": [given_input(shape=[2**62, 2**62])]},
        "a shape that fits memory",
    ),
    "too many dimensions": ({"inputs": [given_input(shape=[1] * 100_000)]}, "at most .* dimens"),
    "no name": ({"inputs": [given_input(name="", contents=FP32)]}, "a name for each input"),
    "the same name twice": (
        {"inputs": [given_input(contents=FP32), given_input(contents=FP32)]},
        "distinct names",
    ),
    "shared memory": (
        {
            "inputs": [
                given_input(parameters={"shared_memory_region": {"string_param": "r"}}),
            ]
        },
        "'shared_memory_region' is not supported",
    ),
}


@pytest.mark.parametrize(("fields", "says"), WRONG.values(), ids=WRONG.keys())
def test_a_wrong_request_is_refused(fields: dict[str, Any], says: str) -> None:
    with pytest.raises(InvalidInput, match=says):
        request_from_message(ModelInferRequest(**fields))


def test_a_wrong_response_is_not_the_clients_mistake() -> None:
    output = {"name": "y", "datatype": "FP32", "shape": [2]}
    with pytest.raises(RequestFailed, match="no V2 inference response: output 'y'"):
        response_from_message(ModelInferResponse(outputs=[output]))


def _parts(tensor: Tensor) -> tuple[str, str, tuple[int, ...], Any]:
    return tensor.name, tensor.datatype, tensor.shape, tensor.array
