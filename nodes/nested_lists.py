"""Nested lists, as JSON has them, become numpy arrays: strictly, and with the place of a mistake.

``numpy.array`` alone would turn ``true`` among integers into 1, a large integer beside a
negative one into a rounded float, and a ragged list into an array of lists. Here each of
these is an ``InvalidInput`` that says where it is. The work is done by C loops over whole
lists (``set(map(type, ...))``, ``min``, ``numpy.array``); Python loops run only to find the
place for an error.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import chain
from typing import Any

import numpy as np

from umbel.graph.errors import InvalidInput
from umbel.nodes.casting import ObjectKind, as_array, as_objects, cast, numpy_dtype
from umbel.nodes.descriptions import describe

Array = np.ndarray[Any, np.dtype[Any]]

MAX_RANK = 32
"""numpy 1's limit; deeper nesting is a mistake or an attack."""

_LISTS = {list, tuple}
_NUMBERS = {int, float}
_LARGEST = {2: float(np.finfo(np.float16).max), 4: float(np.finfo(np.float32).max)}
"""Bytes of a narrow float → its largest number. A NaN fails the comparison: the slow path."""
_FEW = 256
"""Up to here min and max of a list are faster than two numpy passes."""
_PLAIN = {int, float, bool, str, bytes, type(None), dict}


def array_from_list(
    value: Sequence[object],
    dtype: str | None,
    what: str,
    *,
    null_is_nan: bool = False,
    keep_integers: bool = False,
) -> Array:
    """The array that nested lists stand for, row-major.

    ``dtype`` is numpy's name, ``"str"`` or ``"bytes"`` (object arrays), or None: then numbers
    become float64 (integers beyond 2**53 are rounded; declare a dtype to keep them), booleans
    bool, strings an object array. Integral floats (``3.0``) are integers, 0 and 1 are booleans.
    ``keep_integers`` makes integers int64 (uint64 where needed) if no dtype is declared.
    Raises InvalidInput for ragged lists, mixed kinds, fractions or overflow in an integer
    dtype, and null (unless ``null_is_nan`` and the dtype is floating).
    """
    shape, flat, kinds = _flatten(value, what)
    if not kinds <= _PLAIN and kinds & _PLAIN:
        flat = [item.item() if _is_scalar(item) else item for item in flat]
        kinds = set(map(type, flat))
    if not kinds <= _PLAIN:
        return _stack(shape, flat, dtype, what)
    if keep_integers and dtype is None and kinds == {int}:
        dtype = "uint64" if max(flat) >= 2**63 else "int64"
    array = _convert(shape, flat, kinds, dtype, what, null_is_nan)
    return array.reshape(shape)


def _is_scalar(item: Any) -> bool:
    """A number or text of numpy's: beside Python's own it is the same thing."""
    return isinstance(item, np.generic) or (isinstance(item, np.ndarray) and not item.ndim)


def _flatten(
    value: Sequence[object], what: str
) -> tuple[tuple[int, ...], Sequence[Any], set[type]]:
    shape: tuple[int, ...] = (len(value),)
    flat: Sequence[Any] = value
    while True:
        kinds = set(map(type, flat))
        if not kinds & _LISTS:
            return shape, flat, kinds
        if len(shape) == MAX_RANK:
            raise InvalidInput(f"{what}: expected at most {MAX_RANK} nested lists, got more")
        if not kinds <= _LISTS:
            _refuse_mixture(shape, flat, what)
        lengths = set(map(len, flat))
        if len(lengths) != 1:
            _refuse_ragged(shape, flat, what)
        shape = (*shape, lengths.pop())
        flat = list(chain.from_iterable(flat))


def _convert(
    shape: tuple[int, ...],
    flat: Sequence[Any],
    kinds: set[type],
    dtype: str | None,
    what: str,
    null_is_nan: bool,
) -> Array:
    if dtype is None:
        dtype = _natural_dtype(kinds)
    target = numpy_dtype(dtype)
    if target is None:
        return _objects(shape, flat, kinds, "bytes" if dtype == "bytes" else "str", what)
    if null_is_nan and target.kind == "f" and type(None) in kinds:
        flat = [np.nan if item is None else item for item in flat]
        kinds = (kinds - {type(None)}) | {float}
    if target.kind == "b" and kinds <= {bool, int}:
        _require(shape, flat, what, "true or false", lambda item: item in (0, 1))
        return np.array(flat, dtype=target)
    expected = "true or false" if target.kind == "b" else f"a number ({dtype})"
    if not kinds <= _NUMBERS or target.kind == "b":
        _require(shape, flat, what, expected, lambda item: type(item) in _NUMBERS)
        _require(shape, flat, what, expected, lambda item: False)
    if target.kind == "f":
        return _floats(shape, flat, target, what)
    return _integers(shape, flat, kinds, target, what)


def _natural_dtype(kinds: set[type]) -> str:
    if kinds == {bool}:
        return "bool"
    if kinds and kinds <= {str, bytes}:
        return "bytes" if bytes in kinds else "str"
    return "float64"


def _floats(shape: tuple[int, ...], flat: Sequence[Any], target: np.dtype[Any], what: str) -> Array:
    largest = _LARGEST.get(target.itemsize)
    if largest and 0 < len(flat) <= _FEW and -largest <= min(flat) and max(flat) <= largest:
        return np.array(flat, dtype=target)
    try:
        wide = np.array(flat, dtype=np.float64)
    except OverflowError:
        wide = np.array([_float(item) for item in flat])
        _require(shape, flat, what, "a number within float64", lambda i: np.isfinite(_float(i)))
    return wide if target == wide.dtype else cast(wide.reshape(shape), target.name, what)


def _float(item: float) -> float:
    try:
        return float(item)
    except OverflowError:
        return float("inf")


def _integers(
    shape: tuple[int, ...], flat: Sequence[Any], kinds: set[type], target: np.dtype[Any], what: str
) -> Array:
    limits = np.iinfo(target)
    low, high = int(limits.min), int(limits.max)
    if float in kinds:
        _require(
            shape,
            flat,
            what,
            f"a whole number ({target.name})",
            lambda item: type(item) is int or item.is_integer(),
        )
        flat = [int(item) for item in flat]
    if flat and (min(flat) < low or max(flat) > high):
        _require(
            shape,
            flat,
            what,
            f"an integer from {low} to {high} ({target.name})",
            lambda item: low <= item <= high,
        )
    return np.array(flat, dtype=target)


def _objects(
    shape: tuple[int, ...], flat: Sequence[Any], kinds: set[type], wanted: ObjectKind, what: str
) -> Array:
    if not kinds <= {str, bytes}:
        _require(shape, flat, what, "a string", lambda item: type(item) in (str, bytes))
    return as_objects(flat, wanted, what)


def _stack(shape: tuple[int, ...], flat: Sequence[Any], dtype: str | None, what: str) -> Array:
    """Lists of arrays, numpy numbers or tensors."""
    parts = [as_array(item) for item in flat]
    for index, part in enumerate(parts):
        if part is None:
            found = flat[index]
            raise InvalidInput(
                f"{what}: expected a number at {_place(index, shape)}, got {describe(found)}"
            )
    arrays = [part for part in parts if part is not None]
    lengths = {part.shape for part in arrays}
    if len(lengths) > 1:
        raise InvalidInput(f"{what}: expected arrays of one shape, got shapes {sorted(lengths)}")
    stacked = np.stack(arrays).reshape(shape + arrays[0].shape)
    if dtype is None:
        return stacked
    return cast(stacked, dtype, what)


def _require(
    shape: tuple[int, ...],
    flat: Sequence[Any],
    what: str,
    expected: str,
    fits: Callable[[Any], bool],
) -> None:
    for index, item in enumerate(flat):
        if not fits(item):
            raise InvalidInput(
                f"{what}: expected {expected} at {_place(index, shape)}, got {describe(item)}"
            )


def _refuse_mixture(shape: tuple[int, ...], flat: Sequence[Any], what: str) -> None:
    first = type(flat[0]) in _LISTS
    index = next(i for i, item in enumerate(flat) if (type(item) in _LISTS) != first)
    raise InvalidInput(
        f"{what}: expected lists of equal depth, got {describe(flat[0])} at {_place(0, shape)}"
        f" but {describe(flat[index])} at {_place(index, shape)}"
    )


def _refuse_ragged(shape: tuple[int, ...], flat: Sequence[Any], what: str) -> None:
    length = len(flat[0])
    index = next(i for i, item in enumerate(flat) if len(item) != length)
    raise InvalidInput(
        f"{what}: expected rows of equal length, got {length} at {_place(0, shape)}"
        f" but {len(flat[index])} at {_place(index, shape)}"
    )


def _place(index: int, shape: tuple[int, ...]) -> str:
    """The position in the nested list of the ``index``-th element of the flat one."""
    steps: list[int] = []
    for length in reversed(shape):
        index, step = divmod(index, length)
        steps.append(step)
    return "".join(f"[{step}]" for step in reversed(steps))
