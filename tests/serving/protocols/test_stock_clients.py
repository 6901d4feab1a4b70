"""Bodies as Triton's own client writes them, and answers as it reads them."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest

from umbel.serving.protocols.datatypes import tensor_of
from umbel.serving.protocols.payload import InferResponse
from umbel.serving.protocols.v2 import decode_infer_request, encode_infer_response

triton = pytest.importorskip("tritonclient.http")

LENGTH = "inference-header-content-length"
ARRAYS = [
    np.array([[True, False]]),
    np.array([[1.5, -2.0]], "float32"),
    np.array([[1.5, -2.0]], "float64"),
    np.array([[1, -2], [3, 4]], "int64"),
    np.array([1, 2], "uint8"),
    np.array([0.5, 2], "float16"),
    np.array([["a", "é"]], dtype=object),
    np.array([b"\xff\x00", b""], dtype=object),
    np.zeros((0, 3), "float32"),
]


def datatype(array: Any) -> str:
    return tensor_of("x", array).datatype


@pytest.mark.parametrize("array", ARRAYS, ids=lambda array: array.dtype.name)
@pytest.mark.parametrize("listed", [False, True])
def test_binary_in_and_binary_out(array: Any, listed: bool) -> None:
    sent = triton.InferInput("input-0", list(array.shape), datatype(array))
    sent.set_data_from_numpy(array)
    outputs = [triton.InferRequestedOutput("output-0")] if listed else None
    body, length = triton.InferenceServerClient.generate_request_body(
        [sent], outputs=outputs, request_id="42"
    )
    request = decode_infer_request(body, "", None if length is None else str(length))
    got = request.inputs[0].array
    expected = tensor_of("x", array).array
    assert got.tolist() == expected.tolist()
    assert request.id == "42"

    answer, headers = encode_infer_response(
        InferResponse("m", (tensor_of("output-0", got),), request.id), request
    )
    assert headers["content-type"] == "application/octet-stream"
    result = triton.InferenceServerClient.parse_response_body(
        answer, header_length=int(headers[LENGTH])
    )
    assert result.as_numpy("output-0").tolist() == expected.tolist()
    assert result.get_response()["id"] == "42"


@pytest.mark.parametrize("array", [a for a in ARRAYS[:7] if a.dtype != np.float16])
def test_json_in_and_json_out(array: Any) -> None:
    sent = triton.InferInput("input-0", list(array.shape), datatype(array))
    sent.set_data_from_numpy(array, binary_data=False)
    outputs = [triton.InferRequestedOutput("output-0", binary_data=False)]
    body, length = triton.InferenceServerClient.generate_request_body([sent], outputs=outputs)
    assert length is None
    request = decode_infer_request(body)
    answer, headers = encode_infer_response(
        InferResponse("m", (tensor_of("output-0", request.inputs[0].array),)), request
    )
    assert headers == {"content-type": "application/json"}
    assert "data" in json.loads(answer)["outputs"][0]
    result = triton.InferenceServerClient.parse_response_body(answer)
    texts = array.dtype == object
    assert result.as_numpy("output-0").tolist() == array.tolist() or texts
    assert list(result.as_numpy("output-0").shape) == list(array.shape)
