"""The Open Inference Protocol's datatypes and numpy's dtypes."""

from __future__ import annotations

from typing import Any

import numpy as np

from umbel.graph.errors import InvalidInput
from umbel.graph.value_types import DTYPES, OIP_TO_DTYPE
from umbel.nodes.casting import as_objects
from umbel.nodes.descriptions import clip
from umbel.serving.protocols.payload import Array, Tensor

WIRE_DTYPES: dict[str, np.dtype[Any]] = {
    oip: np.dtype(name).newbyteorder("<") for oip, name in OIP_TO_DTYPE.items() if oip != "BYTES"
}
"""Datatype → little-endian dtype, without BYTES."""


def require_datatype(datatype: object, what: str) -> str:
    """``datatype`` if the protocol knows it; KServe takes lower case too, so do we."""
    if isinstance(datatype, str):
        known = datatype.upper()
        if known in ("BYTES", "BF16") or known in WIRE_DTYPES:
            return known
    expected = ", ".join((*WIRE_DTYPES, "BYTES"))
    raise InvalidInput(f"{what}: expected a datatype of {expected}, got {clip(repr(datatype))}")


def held_as(datatype: str) -> str:
    """The datatype of the array that holds what came: numpy has no BF16, FP32 keeps its values."""
    return "FP32" if datatype == "BF16" else datatype


def tensor_of(name: str, array: Array) -> Tensor:
    """``array`` as a named tensor. Text becomes UTF-8 BYTES, dates their ISO text.

    Raises InvalidInput for dtypes the protocol has no name for (complex, structured).
    """
    datatype = DTYPES.get(array.dtype.name)
    if datatype is not None:
        if not array.dtype.isnative:
            array = array.astype(array.dtype.newbyteorder("="))
        return Tensor(name, datatype, array.shape, array)
    if array.dtype.kind == "M":
        array = np.datetime_as_string(array)
    if array.dtype.kind not in "OUS":
        raise InvalidInput(
            f"tensor {name!r}: dtype {array.dtype} has no datatype in the Open Inference Protocol"
        )
    flat = as_objects(array.reshape(-1).tolist(), "bytes", f"tensor {name!r}")
    return Tensor(name, "BYTES", array.shape, flat.reshape(array.shape))
