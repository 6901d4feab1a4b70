"""The types that flow along edges: what a port accepts and what a step yields.

A ``ValueType`` names a *form* (how the value is handed to Python code), and for tensors a
dtype and a shape. Nothing here imports numpy: the graph package stays pure; converting a
value to its form is ``umbel.nodes.forms``.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

Form = Literal[
    "any",
    "ndarray",
    "torch",
    "dataframe",
    "json",
    "dict",
    "list",
    "str",
    "bytes",
    "int",
    "float",
    "bool",
    "message",
]
"""``any``: as it comes. ``json``: any JSON value. ``message``: an HTTP body with its status,
passed on unparsed (what KServe's router passes between services)."""

Dim = int | str
"""A fixed length, a named length that must be equal wherever the name occurs in one
signature, or ``"..."`` for any number of leading axes."""

DTYPES: dict[str, str] = {
    "bool": "BOOL",
    "uint8": "UINT8",
    "uint16": "UINT16",
    "uint32": "UINT32",
    "uint64": "UINT64",
    "int8": "INT8",
    "int16": "INT16",
    "int32": "INT32",
    "int64": "INT64",
    "float16": "FP16",
    "float32": "FP32",
    "float64": "FP64",
    "str": "BYTES",
    "bytes": "BYTES",
}
"""numpy's name → the Open Inference Protocol's datatype."""

OIP_TO_DTYPE: dict[str, str] = {oip: name for name, oip in DTYPES.items() if name != "bytes"}
"""The Open Inference Protocol's datatype → numpy's name. BYTES becomes ``str``."""


@dataclass(frozen=True)
class Column:
    """A named column of a table. ``dtype`` as in ``ValueType``, ``None`` where nothing tells."""

    name: str
    dtype: str | None = None


@dataclass(frozen=True)
class ValueType:
    """What a port carries.

    ``dtype`` is numpy's name (``float32``) or ``None`` for any; ``shape`` is ``None`` for any
    rank. Both only mean something for tensor forms (``ndarray`` and ``torch``), and ``dtype``
    also for ``any``. ``stream``: not one such value but an iterator of them. ``columns``: the named
    columns of a table, of a model that was fitted with names.
    """

    form: Form = "any"
    dtype: str | None = None
    shape: tuple[Dim, ...] | None = None
    stream: bool = False
    columns: tuple[Column, ...] = ()

    @property
    def is_tensor(self) -> bool:
        """True for the forms that have a dtype and a shape."""
        return self.form in ("ndarray", "torch")

    @property
    def item(self) -> ValueType:
        """Of a stream the type of its items, else the type itself."""
        return replace(self, stream=False) if self.stream else self

    def __str__(self) -> str:
        if self.stream:
            return f"stream of {self.item}"
        if not self.is_tensor:
            return self.form
        dims = "any rank" if self.shape is None else ", ".join(str(dim) for dim in self.shape)
        return f"Tensor[{dims}]" + (f" {self.dtype}" if self.dtype else "")


ANY = ValueType()


@dataclass(frozen=True)
class Port:
    """A named input or output. ``required`` is False where the signature has a default."""

    name: str
    type: ValueType = ANY
    required: bool = True


@dataclass(frozen=True)
class Signature:
    """A node's or graph's typed inputs and outputs.

    One unnamed result is a single output called ``output``. A node that returns a dict with
    known keys (``TypedDict``) has one output per key and ``keyed`` set.
    """

    inputs: tuple[Port, ...] = (Port("input"),)
    outputs: tuple[Port, ...] = (Port("output"),)
    keyed: bool = False
