"""What a V2 request and its response carry, free of any wire format (JSON, binary, gRPC)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

Array = np.ndarray[Any, np.dtype[Any]]
Parameters = Mapping[str, object]


@dataclass(frozen=True, eq=False)
class Tensor:
    """A named array. ``datatype`` is the Open Inference Protocol's (``FP32``, ``BYTES``).

    ``array`` has the shape ``shape`` and the matching dtype; BYTES is an object array of
    ``bytes``. A decoded array is writable, aligned, and owns its memory.
    """

    name: str
    datatype: str
    shape: tuple[int, ...]
    array: Array
    parameters: Parameters = field(default_factory=dict)


@dataclass(frozen=True)
class RequestedOutput:
    """An output the client asks for; ``binary`` asks for it after the JSON, not inside."""

    name: str
    binary: bool = False
    parameters: Parameters = field(default_factory=dict)


@dataclass(frozen=True, eq=False)
class InferRequest:
    """One V2 inference request.

    ``outputs`` empty means all of them. ``binary_output_default`` (``binary_data_output`` on
    the wire) only counts then: an output that is listed is binary only if it says so itself,
    as in KServe.
    """

    inputs: tuple[Tensor, ...]
    id: str = ""
    parameters: Parameters = field(default_factory=dict)
    outputs: tuple[RequestedOutput, ...] = ()
    binary_output_default: bool = False

    def wants_binary(self, output: str) -> bool:
        """Does the client want this output as binary data?"""
        if not self.outputs:
            return self.binary_output_default
        return any(asked.binary for asked in self.outputs if asked.name == output)


@dataclass(frozen=True, eq=False)
class InferResponse:
    """One V2 inference response; ``model_version`` None where models have no versions."""

    model_name: str
    outputs: tuple[Tensor, ...]
    id: str = ""
    model_version: str | None = None
    parameters: Parameters = field(default_factory=dict)
