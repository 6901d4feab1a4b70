"""Ports and types from a Python signature: the user writes a normal function.

``Tensor["batch", 4]`` is an array of any numeric dtype with two axes, the second of length 4;
``Tensor["float32", "batch", 4]`` also fixes the dtype. Named axes must agree wherever the
name occurs in one signature. Libraries are recognised by name and never imported here.
"""

from __future__ import annotations

import inspect
import sys
import types
import typing
from collections.abc import (
    AsyncGenerator,
    AsyncIterable,
    AsyncIterator,
    Callable,
    Generator,
    Iterator,
)
from dataclasses import dataclass, replace
from typing import Annotated, Any, Union, get_args, get_origin

from umbel.graph.value_types import ANY, DTYPES, Dim, Form, Port, Signature, ValueType


@dataclass(frozen=True)
class TensorSpec:
    """What ``Tensor[...]`` evaluates to: a shape and perhaps a dtype."""

    shape: tuple[Dim, ...] | None
    dtype: str | None = None

    def __call__(self) -> TensorSpec:  # typing only accepts callables as annotations
        return self


class Tensor:
    """An array argument or result: ``Tensor["batch", 4]``, ``Tensor["int64", "batch"]``.

    A string that names a dtype (``"float32"``) or a numpy or Python scalar type is the dtype;
    other strings name axes, integers fix them, ``...`` stands for any number of axes. The
    value is a numpy array; write ``Annotated[torch.Tensor, Tensor["batch", 4]]`` for torch.
    """

    def __class_getitem__(cls, items: object) -> TensorSpec:
        parts = items if isinstance(items, tuple) else (items,)
        dtype: str | None = None
        dims: list[Dim] = []
        for part in parts:
            named = _dtype_name(part)
            if named is not None:
                dtype = named
            elif part is Ellipsis:
                dims.append("...")
            elif isinstance(part, (int, str)):
                dims.append(part)
            else:
                raise TypeError(f"Tensor[...] takes axis names, lengths and a dtype, not {part!r}")
        return TensorSpec(tuple(dims) if dims or len(parts) == 0 else None, dtype)


_PYTHON_DTYPES = {bool: "bool", int: "int64", float: "float64", str: "str", bytes: "bytes"}

_FORMS: dict[str, Form] = {
    "numpy.ndarray": "ndarray",
    "torch.Tensor": "torch",
    "pandas.core.frame.DataFrame": "dataframe",
    "pandas.DataFrame": "dataframe",
    "builtins.dict": "dict",
    "builtins.list": "list",
    "builtins.tuple": "list",
    "builtins.str": "str",
    "builtins.bytes": "bytes",
    "builtins.int": "int",
    "builtins.float": "float",
    "builtins.bool": "bool",
    "collections.abc.Mapping": "dict",
    "collections.abc.Sequence": "list",
}


_STREAMS = (Iterator, Generator, AsyncIterator, AsyncIterable, AsyncGenerator)
"""What a node that yields is annotated with, and an argument that takes the stream itself."""


def _dtype_name(part: object) -> str | None:
    if isinstance(part, str):
        return part if part in DTYPES else None
    if isinstance(part, type):
        if part in _PYTHON_DTYPES:
            return _PYTHON_DTYPES[part]
        scalar = part.__name__.rstrip("_")
        return scalar if part.__module__ == "numpy" and scalar in DTYPES else None
    name = getattr(part, "name", None)  # numpy.dtype
    return name if isinstance(name, str) and name in DTYPES else None


def value_type(annotation: object) -> ValueType:
    """The type that an annotation means; anything unknown is ``any``."""
    if isinstance(annotation, TensorSpec):
        return ValueType("ndarray", annotation.dtype, annotation.shape)
    if annotation is Tensor:
        return ValueType("ndarray")
    origin = get_origin(annotation)
    if origin is Annotated:
        base, *notes = get_args(annotation)
        for note in notes:
            if isinstance(note, TensorSpec):
                form = value_type(base).form
                return ValueType("torch" if form == "torch" else "ndarray", note.dtype, note.shape)
        return value_type(base)
    if origin in (Union, types.UnionType):
        kinds = [arg for arg in get_args(annotation) if arg is not type(None)]
        return value_type(kinds[0]) if len(kinds) == 1 else ANY
    bare = origin if origin is not None else annotation
    if bare in _STREAMS:
        item = value_type(next(iter(get_args(annotation)), None))
        return replace(item, stream=True)
    if typing.is_typeddict(annotation):
        return ValueType("dict")
    if isinstance(bare, type):
        form = _FORMS.get(f"{bare.__module__}.{bare.__qualname__}", "any")
        return ValueType(form, _array_dtype(annotation) if form == "ndarray" else None)
    return ANY


def _array_dtype(annotation: object) -> str | None:
    """The dtype of ``numpy.typing.NDArray[T]``, which is ``ndarray[Any, dtype[T]]``."""
    for arg in get_args(annotation)[1:]:
        for inner in get_args(arg):
            return _dtype_name(inner)
    return None


def read_annotations(code: Callable[..., Any]) -> tuple[dict[str, object], list[str]]:
    """The evaluated annotations by name, and the texts of those that cannot be evaluated."""
    raw = getattr(code, "__annotations__", {})
    module = sys.modules.get(getattr(code, "__module__", ""), None)
    names = {**vars(typing), **(vars(module) if module else {}), **getattr(code, "__globals__", {})}
    good: dict[str, object] = {}
    bad: list[str] = []
    for name, annotation in raw.items():
        if isinstance(annotation, typing.ForwardRef):  # a field of a TypedDict
            annotation = annotation.__forward_arg__
        if isinstance(annotation, str):
            try:
                good[name] = eval(annotation, names)  # noqa: S307  the user's own source
            except Exception:
                bad.append(f"{name}: {annotation}")
        else:
            good[name] = annotation
    return good, bad


@dataclass(frozen=True)
class ReadSignature:
    """A signature with what could not be read, and whether extra names are accepted."""

    signature: Signature
    unreadable: tuple[str, ...] = ()


def read_signature(code: Callable[..., Any], *, skip_first: bool = False) -> ReadSignature:
    """The typed ports of a function, or of a method without its ``self``."""
    notes, bad = read_annotations(code)
    parameters = list(inspect.signature(code).parameters.values())[1 if skip_first else 0 :]
    inputs = tuple(
        Port(p.name, value_type(notes.get(p.name)), p.default is inspect.Parameter.empty)
        for p in parameters
        if p.kind not in (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
    )
    outputs, keyed = _outputs(notes.get("return"))
    if yields(code) and not outputs[0].type.stream:
        outputs, keyed = (Port("output", replace(ANY, stream=True)),), False
    return ReadSignature(Signature(inputs, outputs, keyed), tuple(bad))


def yields(code: object) -> bool:
    """Whether a call gives items one by one: a generator function, async or not."""
    call = getattr(code, "__call__", None)  # noqa: B004  an instance whose class has one
    return any(
        inspect.isgeneratorfunction(one) or inspect.isasyncgenfunction(one) for one in (code, call)
    )


def _outputs(annotation: object) -> tuple[tuple[Port, ...], bool]:
    if typing.is_typeddict(annotation):
        keys, _ = read_annotations(typing.cast("Callable[..., Any]", annotation))
        return tuple(Port(name, value_type(note)) for name, note in keys.items()), True
    args = get_args(annotation)
    if get_origin(annotation) is tuple and args and Ellipsis not in args:
        return tuple(Port(f"output_{i}", value_type(arg)) for i, arg in enumerate(args)), False
    return (Port("output", value_type(annotation)),), False
