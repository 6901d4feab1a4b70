"""Does what a step yields fit what a port takes? Shapes, dtypes and forms along edges.

Named axes are solved within one call: ``batch`` bound by one argument must fit the others,
and the result's ``batch`` is what was bound. Between signatures only fixed lengths can
disagree, so names mean nothing beyond their own signature.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from umbel.graph.value_types import ANY, Dim, Signature, ValueType

_KIND = {"bool": 0, "uint": 1, "int": 1, "float": 2}

_CONVERTIBLE: dict[str, frozenset[str]] = {
    "ndarray": frozenset({"torch", "dataframe", "list", "json", "float", "int", "bool"}),
    "torch": frozenset({"ndarray", "dataframe", "list", "json", "float", "int", "bool"}),
    "dataframe": frozenset({"ndarray", "torch", "dict", "list", "json"}),
    "list": frozenset({"ndarray", "torch", "dataframe", "json"}),
    "dict": frozenset({"dataframe", "json"}),
    "json": frozenset(
        {"ndarray", "torch", "dataframe", "list", "dict", "str", "int", "float", "bool"}
    ),
    "int": frozenset({"float", "ndarray", "torch", "json"}),
    "float": frozenset({"ndarray", "torch", "json"}),
    "bool": frozenset({"int", "float", "ndarray", "torch", "json"}),
    "str": frozenset({"json", "bytes"}),
    "bytes": frozenset({"str"}),
}


_ITERABLE = frozenset({"any", "list", "json", "ndarray", "torch"})


def misfit(source: ValueType, port: ValueType, bound: dict[str, Dim]) -> str:
    """Why ``source`` does not fit ``port``, or an empty string. Binds the port's axis names. A
    stream fits where its items do; a list may stand for a stream."""
    if port.stream and not source.stream:
        return "" if source.form in _ITERABLE else f"expected {port}, got {source}"
    source, port = source.item, port.item
    if source == ANY or port.form == "any" or source.form == "any":
        return ""
    if source.form != port.form and port.form not in _CONVERTIBLE.get(source.form, ()):
        return f"expected {port}, got {source}"
    if port.form in ("int", "float", "bool") and source.is_tensor and source.shape:
        return f"expected one {port.form}, got {source}"
    if not (source.is_tensor and port.is_tensor):
        return ""
    return _dtype_misfit(source, port) or _shape_misfit(source, port, bound)


def narrower(one: ValueType, other: ValueType) -> ValueType:
    """``one`` with the dtype that fits both consumers of a value: of int64 and float32, int64."""
    if one.is_tensor and other.is_tensor and _dtype_misfit(one, other):
        return replace(one, dtype=other.dtype)
    return one


def _kind(dtype: str) -> int:
    return _KIND.get(dtype.rstrip("0123456789"), 9)


def _dtype_misfit(source: ValueType, port: ValueType) -> str:
    if source.dtype is None or port.dtype is None:
        return ""
    if _kind(source.dtype) > _kind(port.dtype) or (
        9 in (_kind(source.dtype), _kind(port.dtype)) and source.dtype != port.dtype
    ):
        return f"expected dtype {port.dtype}, got {source.dtype}"
    return ""


def _shape_misfit(source: ValueType, port: ValueType, bound: dict[str, Dim]) -> str:
    if source.shape is None or port.shape is None:
        return ""
    wanted, got = port.shape, source.shape
    if "..." in wanted:
        cut = len(wanted) - wanted.index("...") - 1
        wanted = wanted[len(wanted) - cut :]
        if "..." not in got and len(got) < cut:
            return f"expected rank {cut} or more ({port}), got rank {len(got)} ({source})"
        got = got[len(got) - cut :] if cut else ()
    if "..." in got:
        return ""
    if len(wanted) != len(got):
        return f"expected rank {len(wanted)} ({port}), got rank {len(got)} ({source})"
    for axis, (want, have) in enumerate(zip(wanted, got, strict=True)):
        if isinstance(want, str):
            want = bound.setdefault(want, have)
        if isinstance(want, int) and isinstance(have, int) and want != have:
            return f"expected {want} on axis {axis} ({port}), got {have} ({source})"
        if isinstance(have, int) and isinstance(port.shape[axis - len(wanted)], str):
            bound[str(port.shape[axis - len(wanted)])] = have
    return ""


def result_types(
    signature: Signature, bound: Mapping[str, Dim], step: str
) -> tuple[ValueType, ...]:
    """The output types with axis names replaced by what the arguments bound."""
    return tuple(_resolved(port.type, bound, step) for port in signature.outputs)


def _resolved(type_: ValueType, bound: Mapping[str, Dim], step: str) -> ValueType:
    if not type_.shape:
        return type_
    shape = tuple(
        bound.get(dim, dim) if isinstance(dim, str) and dim != "..." else dim for dim in type_.shape
    )
    return replace(type_, shape=shape)
