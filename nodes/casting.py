"""Arrays to a declared dtype, keeping every value or refusing.

Widening is free, floats may lose precision (float64 → float32, as models want), integers
must fit, and nothing turns into another kind unless it says the same: ``3.0`` is the integer
3, ``1`` is true, 2.5 is no integer and true is no number.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

import numpy as np

from umbel.graph.errors import InvalidInput
from umbel.nodes.descriptions import describe

Array = np.ndarray[Any, np.dtype[Any]]
ObjectKind = Literal["str", "bytes"]

_NUMPY: dict[str, np.dtype[Any]] = {
    name: np.dtype(name)
    for name in (
        "bool",
        "uint8",
        "uint16",
        "uint32",
        "uint64",
        "int8",
        "int16",
        "int32",
        "int64",
        "float16",
        "float32",
        "float64",
    )
}


def numpy_dtype(dtype: str) -> np.dtype[Any] | None:
    """numpy's dtype for a declared one; None for ``str`` and ``bytes``, which are objects."""
    if dtype in ("str", "bytes"):
        return None
    return _NUMPY.get(dtype) or np.dtype(dtype)


def as_array(value: object) -> Array | None:
    """The array behind an array-like (numpy, torch, pandas, anything with ``__array__``).

    None if the value is not array-like. torch tensors are detached and moved to the CPU.
    """
    if isinstance(value, np.ndarray):
        return value
    if isinstance(value, np.generic):
        return np.asarray(value)
    if hasattr(value, "detach") and hasattr(value, "numpy"):
        tensor: Any = value.detach().cpu()
        return np.asarray(tensor.float().numpy() if _is_bfloat16(tensor) else tensor.numpy())
    if hasattr(value, "to_numpy"):
        return np.asarray(value.to_numpy())
    if hasattr(value, "__array__"):
        return np.asarray(value)
    if hasattr(value, "numpy") and callable(value.numpy):
        return np.asarray(value.numpy())
    return None


def _is_bfloat16(tensor: Any) -> bool:
    return str(tensor.dtype) == "torch.bfloat16"


def cast(array: Array, dtype: str, what: str) -> Array:
    """``array`` as ``dtype``; the array itself where it already fits.

    Raises InvalidInput naming ``what``, the dtype expected and the one that came.
    """
    target = numpy_dtype(dtype)
    if target is None:
        return _cast_objects(array, "bytes" if dtype == "bytes" else "str", what)
    if array.dtype == target:
        return array
    source, wanted = array.dtype.kind, target.kind
    if source in "iuf" and wanted in "iuf":
        return _cast_number(array, target, what)
    if wanted == "b" and source in "iu" and bool(np.isin(array, (0, 1)).all()):
        return array.astype(target)
    if array.size == 0:
        return array.astype(target)
    raise InvalidInput(f"{what}: expected {dtype}, got {describe(array)}")


def _cast_number(array: Array, target: np.dtype[Any], what: str) -> Array:
    if np.can_cast(array.dtype, target, "safe"):
        return array.astype(target)
    if target.kind == "f":
        with np.errstate(over="ignore"):
            narrow = array.astype(target)
        if bool((np.isinf(narrow) & ~np.isinf(array)).any()):
            worst = array[np.isinf(narrow) & ~np.isinf(array)][0]
            raise InvalidInput(f"{what}: expected numbers within {target.name}, got {worst}")
        return narrow
    if array.dtype.kind == "f":
        broken = ~np.isfinite(array) | (array != np.trunc(array))
        if bool(broken.any()):
            raise InvalidInput(
                f"{what}: expected whole numbers ({target.name}), got {array[broken][0]}"
            )
    limits = np.iinfo(target)
    low, high = int(limits.min), int(limits.max)
    if array.size and (int(array.min()) < low or int(array.max()) > high):
        found = int(array.min()) if int(array.min()) < low else int(array.max())
        raise InvalidInput(
            f"{what}: expected integers from {low} to {high} ({target.name}), got {found}"
        )
    return array.astype(target)


def _cast_objects(array: Array, wanted: ObjectKind, what: str) -> Array:
    if array.dtype.kind not in "OUS" and array.size:
        raise InvalidInput(f"{what}: expected {wanted}, got {describe(array)}")
    flat: list[Any] = array.reshape(-1).tolist()
    kind = bytes if wanted == "bytes" else str
    if array.dtype == object and set(map(type, flat)) <= {kind}:
        return array
    return as_objects(flat, wanted, what).reshape(array.shape)


def as_objects(flat: Sequence[Any], wanted: ObjectKind, what: str) -> Array:
    """A flat object array of str or of bytes, strings encoded as UTF-8 between the two."""
    out: Array = np.empty(len(flat), dtype=object)
    index = 0
    try:
        for index, item in enumerate(flat):
            if isinstance(item, str):
                out[index] = item.encode() if wanted == "bytes" else item
            elif isinstance(item, (bytes, bytearray)):
                out[index] = bytes(item) if wanted == "bytes" else item.decode()
            else:
                raise InvalidInput(
                    f"{what}: expected a string at element {index}, got {describe(item)}"
                )
    except UnicodeError:
        raise InvalidInput(
            f"{what}: expected UTF-8 text, got other bytes at element {index}"
        ) from None
    return out
