"""V2 bodies: round trips of every datatype, and a clean refusal of everything else."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from umbel.graph.errors import InvalidInput, RequestFailed
from umbel.serving.protocols.datatypes import tensor_of
from umbel.serving.protocols.payload import InferRequest, InferResponse, RequestedOutput, Tensor
from umbel.serving.protocols.v2 import (
    decode_infer_request,
    decode_infer_response,
    encode_infer_request,
    encode_infer_response,
)

LENGTH = "inference-header-content-length"
DTYPES = (
    "bool",
    "int8",
    "int16",
    "int32",
    "int64",
    "uint8",
    "uint16",
    "uint32",
    "uint64",
    "float16",
    "float32",
    "float64",
)
SHAPES = hnp.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=4)


@st.composite
def tensors(draw: st.DrawFn) -> Tensor:
    dtype = draw(st.sampled_from((*DTYPES, "bytes")))
    if dtype != "bytes":
        return tensor_of("x", np.asarray(draw(hnp.arrays(dtype, SHAPES))))
    array = np.empty(draw(SHAPES), dtype=object)
    flat = array.reshape(-1)
    for index in range(flat.size):
        flat[index] = draw(st.binary(max_size=8))
    return Tensor("x", "BYTES", array.shape, flat.reshape(array.shape))


def is_text(tensor: Tensor) -> bool:
    try:
        return bool([item.decode() for item in tensor.array.reshape(-1).tolist()])
    except AttributeError:
        return True
    except UnicodeDecodeError:
        return False


def same(left: Tensor, right: Tensor) -> bool:
    if (left.name, left.datatype, left.shape) != (right.name, right.datatype, right.shape):
        return False
    equal_nan = left.array.dtype.kind == "f"
    return np.array_equal(left.array, right.array, equal_nan=equal_nan)


@given(tensors(), st.booleans())
def test_requests_survive_the_wire(tensor: Tensor, binary: bool) -> None:
    sent = InferRequest((tensor,), "7", {"k": 1}, (RequestedOutput("y", True),), True)
    body, headers = encode_infer_request(sent, binary=binary)
    got = decode_infer_request(body, headers["content-type"], headers.get(LENGTH))
    assert same(tensor, got.inputs[0])
    assert (got.id, got.parameters["k"], got.binary_output_default) == ("7", 1, True)
    assert got.outputs[0].name == "y"
    assert got.outputs[0].binary
    assert got.inputs[0].array.flags.writeable
    assert got.inputs[0].array.flags.aligned


@given(tensors())
def test_binary_responses_survive_the_wire(tensor: Tensor) -> None:
    body, headers = encode_infer_response(
        InferResponse("m", (tensor, tensor_of("z", np.zeros(2))), "7"),
        InferRequest((), outputs=(RequestedOutput("z"), RequestedOutput("x", True))),
    )
    got = decode_infer_response(body, headers["content-type"], headers.get(LENGTH))
    assert [output.name for output in got.outputs] == ["z", "x"]
    assert same(tensor, got.outputs[1])
    assert (got.model_name, got.id) == ("m", "7")


@given(tensors())
def test_json_responses_survive_the_wire_or_are_refused(tensor: Tensor) -> None:
    response = InferResponse("m", (tensor,))
    if tensor.array.size and (tensor.datatype == "FP16" or not is_text(tensor)):
        with pytest.raises(InvalidInput, match="binary"):
            encode_infer_response(response)
        return
    body, headers = encode_infer_response(response)
    assert headers == {"content-type": "application/json"}
    finite = np.isfinite(tensor.array) if tensor.array.dtype.kind == "f" else np.array(True)
    got = decode_infer_response(body).outputs[0]
    assert got.shape == tensor.shape
    if finite.all():
        assert same(tensor, got)


def request(**changes: Any) -> dict[str, Any]:
    tensor = {"name": "x", "shape": [2, 2], "datatype": "FP32", "data": [1, 2, 3, 4], **changes}
    return {"inputs": [{key: value for key, value in tensor.items() if value is not ...}]}


def decode(body: object) -> InferRequest:
    return decode_infer_request(json.dumps(body).encode())


@pytest.mark.parametrize("data", [[1, 2, 3, 4], [[1, 2], [3, 4]]])
def test_data_may_be_flat_or_nested(data: list[Any]) -> None:
    assert decode(request(data=data)).inputs[0].array.tolist() == [[1, 2], [3, 4]]


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (request(data=[1, 2, 3]), "expected 4 elements for shape [2, 2]"),
        (request(data=[[1, 2, 3, 4]]), "got 4 elements in a list of shape [1, 4]"),
        (request(data=[[1, 2], [3]]), "expected rows of equal length"),
        (request(data=[1, 2, 3, "4"]), "got the string '4'"),
        (request(data=[1, 2, 3, None]), "got null"),
        (request(data=...), 'expected "data" to be a list, got nothing'),
        (request(data="abcd"), "got the string 'abcd'"),
        (request(datatype="FLOAT"), "got 'FLOAT'"),
        (request(datatype="BF16"), "BF16 data via JSON is not supported"),
        (request(datatype=3), "expected a datatype of BOOL"),
        (request(datatype="FP16"), "FP16 data via JSON is not supported"),
        (request(datatype="INT8", data=[1, 2, 3, 128]), "from -128 to 127"),
        (request(datatype="INT8", data=[1, 2, 3, 0.5]), "a whole number"),
        (request(datatype="BOOL", data=["true"] * 4), "expected true or false at [0]"),
        (request(shape=[-1, 4]), "lengths of 0 or more"),
        (request(shape=[2.0, 2]), "lengths of 0 or more"),
        (request(shape=[True, 4]), "lengths of 0 or more"),
        (request(shape=[2**62, 2**62]), "fits memory"),
        (request(shape=[0, 2**63]), "fits memory"),
        (request(shape=[1] * 40), "at most 32 dimensions"),
        (request(shape=...), 'expected "shape"'),
        (request(name=...), 'expected "name"'),
        (request(parameters=[]), "expected parameters to be an object"),
        (request(parameters={"binary_data_size": 16}), "got both"),
        (request(data=..., parameters={"binary_data_size": 16}), "expected 16 bytes"),
        (request(data=..., parameters={"binary_data_size": -1}), "to be a size in bytes"),
        (request(parameters={"shared_memory_region": "r"}), "not supported"),
        ({"inputs": request()["inputs"] * 2}, "expected distinct names"),
        ({"inputs": {}}, 'expected "inputs" to be a list'),
        ({}, 'expected "inputs" to be a list of tensors, got nothing'),
        ({"inputs": [3]}, "inputs[0]: expected an object"),
        ({**request(), "outputs": {}}, 'expected "outputs" to be a list'),
        ({**request(), "outputs": [{}]}, 'outputs[0]: expected "name"'),
        ({**request(), "id": 4}, 'expected "id" to be a string'),
        ({**request(), "parameters": {"binary_data_output": "yes"}}, "to be true or false"),
        ([], "expected a JSON object"),
    ],
)
def test_mistakes_say_what_was_expected_and_what_came(body: object, words: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        decode(body)
    assert words in str(caught.value)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"\xff",
        b'{"inputs": [NaN]}',
        b"[" * 100_000,
        b'{"inputs":' + b"[" * 100_000,
        b'{"inputs":[{"name":"x","shape":[1],"datatype":"FP32","data":[Infinity]}]}',
        b'{"inputs":[{"name":"x","shape":[1],"datatype":"FP32","data":[1e999]}]}',
        b'{"inputs":[{"name":"x","shape":[1],"datatype":"FP32","data":[1e99]}]}',
        b'{"inputs":[{"name":"x","shape":[1],"datatype":"FP64","data":'
        + b"[" * 500
        + b"1"
        + b"]" * 500
        + b"}]}",
    ],
)
def test_bodies_no_parser_likes(body: bytes) -> None:
    with pytest.raises(InvalidInput):
        decode_infer_request(body)


def binary_body(size: int, data: bytes, **changes: Any) -> tuple[bytes, str]:
    parameters = {"binary_data_size": size}
    head = json.dumps(request(data=..., parameters=parameters, **changes)).encode()
    return head + data, str(len(head))


@pytest.mark.parametrize(
    ("size", "data", "changes", "words"),
    [
        (8, b"\0" * 8, {}, "expected 16 bytes for FP32 of shape [2, 2], got 8"),
        (16, b"\0" * 8, {}, "expected 16 bytes of binary data (binary_data_size), got 8"),
        (16, b"\0" * 20, {}, "expected 16 bytes of binary data after the JSON"),
        (8, b"\2\0\0\0ab\0\0", {"datatype": "BYTES", "shape": [1]}, "BYTES elements in 6 bytes"),
        (6, b"\5\0\0\0ab", {"datatype": "BYTES", "shape": [1]}, "expected 5 bytes in element 0"),
        (2, b"\5\0", {"datatype": "BYTES", "shape": [1]}, "each with a 4-byte length"),
        (4, b"\0" * 4, {"datatype": "BYTES", "shape": [2**50]}, "elements"),
    ],
)
def test_binary_mistakes(size: int, data: bytes, changes: dict[str, Any], words: str) -> None:
    body, length = binary_body(size, data, **changes)
    with pytest.raises(InvalidInput) as caught:
        decode_infer_request(body, "application/octet-stream", length)
    assert words in str(caught.value)


@pytest.mark.parametrize("length", ["", "x", "-1", "9" * 30, "1e3", "99999", "١"])
def test_a_wrong_length_header(length: str) -> None:
    with pytest.raises(InvalidInput, match="Inference-Header-Content-Length"):
        decode_infer_request(b"{}", "application/octet-stream", length)


def test_bytes_without_the_length_header_are_refused_as_in_kserve() -> None:
    with pytest.raises(InvalidInput, match="header is missing"):
        decode_infer_request(b"{}", "application/octet-stream")


@given(st.binary(max_size=60), st.none() | st.integers(0, 80).map(str))
def test_noise_never_raises_anything_else(body: bytes, length: str | None) -> None:
    with pytest.raises(InvalidInput):
        decode_infer_request(body, "", length)
    with pytest.raises(RequestFailed):
        decode_infer_response(body, "", length)


def test_outputs_are_filtered_and_unknown_ones_refused() -> None:
    response = InferResponse("m", (tensor_of("a", np.zeros(1)), tensor_of("b", np.ones(1))), "1")
    body, _ = encode_infer_response(response, InferRequest((), outputs=(RequestedOutput("b"),)))
    assert [output["name"] for output in json.loads(body)["outputs"]] == ["b"]
    with pytest.raises(InvalidInput, match=r"Unexpected inference output 'c'.*\['a', 'b'\]"):
        encode_infer_response(response, InferRequest((), outputs=(RequestedOutput("c"),)))


def test_binary_data_output_counts_only_where_no_output_is_listed() -> None:
    response = InferResponse("m", (tensor_of("a", np.zeros(1)),), "1")
    _, headers = encode_infer_response(response, InferRequest((), binary_output_default=True))
    assert LENGTH in headers
    listed = InferRequest((), outputs=(RequestedOutput("a"),), binary_output_default=True)
    assert LENGTH not in encode_infer_response(response, listed)[1]


def test_nan_is_null_in_json_and_comes_back_as_nan() -> None:
    body, _ = encode_infer_response(InferResponse("m", (tensor_of("a", np.array([np.nan, 1])),)))
    assert json.loads(body)["outputs"][0]["data"] == [None, 1.0]
    assert np.isnan(decode_infer_response(body).outputs[0].array[0])


def test_strided_and_foreign_arrays_are_written_in_order() -> None:
    array = np.arange(12, dtype=">f4").reshape(3, 4).T[::-1]
    for binary in (False, True):
        body, headers = encode_infer_response(
            InferResponse("m", (tensor_of("a", array),)),
            InferRequest((), binary_output_default=binary),
        )
        got = decode_infer_response(body, headers["content-type"], headers.get(LENGTH))
        assert (got.outputs[0].array == array).all()
