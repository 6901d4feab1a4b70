"""Metadata from signatures."""

from __future__ import annotations

from typing import Any

import pytest

from umbel.graph.value_types import ANY, Port, Signature, ValueType
from umbel.serving.protocols.metadata import model_metadata, server_metadata, tensor_metadata


@pytest.mark.parametrize(
    ("type", "datatype", "shape"),
    [
        (ValueType("ndarray", "float32", ("batch", 4)), "FP32", [-1, 4]),
        (ValueType("ndarray", None, ("batch", 4)), "FP64", [-1, 4]),
        (ValueType("torch", "int64"), "INT64", [-1]),
        (ValueType("ndarray", "str", ("...", 3)), "BYTES", [-1, 3]),
        (ValueType("ndarray", "bool", ()), "BOOL", []),
        (ANY, "BYTES", [-1]),
        (ValueType("json"), "BYTES", [-1]),
        (ValueType("str"), "BYTES", [1]),
        (ValueType("int"), "INT64", [1]),
        (ValueType("float"), "FP64", [1]),
    ],
)
def test_tensors(type: ValueType, datatype: str, shape: list[int]) -> None:
    found = tensor_metadata("x", type)
    assert found == {"name": "x", "datatype": datatype, "shape": shape}


def test_model() -> None:
    found: dict[str, Any] = model_metadata("m", Signature((Port("x"),)))
    assert found["name"] == "m"
    assert [tensor["name"] for tensor in found["outputs"]] == ["output-0"]
    assert "versions" not in found
    keyed = model_metadata("m", Signature((), (Port("output"),), keyed=True), ["1"])
    assert keyed["outputs"][0]["name"] == "output"
    assert keyed["versions"] == ["1"]


def test_server() -> None:
    assert "binary_tensor_data" in server_metadata("1.2")["extensions"]
