"""The OpenAPI document is valid, and its examples are accepted by schema and binding."""

from __future__ import annotations

import json
from typing import Any

import pytest

from umbel.graph.value_types import Form, Port, Signature, ValueType
from umbel.serving.protocols.binding import bind_v1, bind_v2
from umbel.serving.protocols.example_bodies import v1_example, v2_example
from umbel.serving.protocols.openapi import openapi_document
from umbel.serving.protocols.v1 import decode_predict
from umbel.serving.protocols.v2 import decode_infer_request

MATRIX = ValueType("ndarray", "float32", ("batch", 4))
FORMS: tuple[Form, ...] = ("str", "bytes", "int", "float", "bool", "dict")
SIGNATURES = [
    Signature(),
    Signature((), ()),
    Signature((Port("x", MATRIX),), (Port("output", MATRIX),)),
    Signature((Port("x", MATRIX), Port("text", ValueType("str"), required=False))),
    Signature((Port("x", ValueType("torch", "int64", ("n", "n"))),)),
    Signature((Port("x", ValueType("ndarray", "float32", ("batch", 3, 224, 224))),)),
    Signature((Port("x", ValueType("ndarray", "bool", ("...", 2))),)),
    Signature((Port("x", ValueType("ndarray", "str", ("batch",))),)),
    Signature((Port("x", ValueType("ndarray", None, ())),)),
    Signature((Port("x", ValueType("ndarray", "float16", (2,))),)),
    Signature((Port("x", ValueType("ndarray")),), (Port("a"), Port("b", MATRIX)), keyed=True),
    *(Signature((Port("x", ValueType(form)),)) for form in FORMS),
]


@pytest.mark.parametrize(
    ("signature", "explain"),
    [*((signature, False) for signature in SIGNATURES), (SIGNATURES[2], True)],
    ids=str,
)
def test_the_document_is_valid(signature: Signature, explain: bool) -> None:
    validator = pytest.importorskip("openapi_spec_validator")
    document = openapi_document("iris", signature, explain=explain, description="d")
    validator.validate(json.loads(json.dumps(document)))
    assert "/iris/v2/models/iris/infer" in document["paths"]
    assert ("/iris/v1/models/iris:explain" in document["paths"]) == explain


@pytest.mark.parametrize("signature", SIGNATURES, ids=str)
def test_examples_are_accepted(signature: Signature) -> None:
    jsonschema = pytest.importorskip("jsonschema")
    schemas: dict[str, Any] = openapi_document("m", signature)["components"]["schemas"]
    first = v1_example(signature)
    if first is not None:
        jsonschema.validate(first, schemas["V1Request"])
        bind_v1(decode_predict(json.dumps(first).encode()), signature)
    second = v2_example(signature)
    if second is not None:
        jsonschema.validate(second, schemas["V2Request"])
        bind_v2(decode_infer_request(json.dumps(second).encode()), signature)


def test_a_typed_graph_has_examples() -> None:
    signature = SIGNATURES[2]
    assert v1_example(signature) == {"instances": [[0.5, 0.5, 0.5, 0.5]]}
    assert v2_example(signature) == {
        "inputs": [{"name": "x", "shape": [1, 4], "datatype": "FP32", "data": [0.5] * 4}]
    }


def test_given_examples_are_used() -> None:
    document = openapi_document("m", Signature(), v1_example={"instances": ["mine"]})
    operation = document["paths"]["/m/v1/models/m:predict"]["post"]
    content = operation["requestBody"]["content"]["application/json"]
    assert content["example"] == {"instances": ["mine"]}
