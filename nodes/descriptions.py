"""How an error names a value that came: short, typed, and never the whole payload."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

_LONGEST = 40


def describe(value: object) -> str:
    """A value in a few words: ``the string 'abc'``, ``a float32 array of shape [2, 3]``."""
    if value is None:
        return "null"
    if isinstance(value, (bool, np.bool_)):
        return f"the boolean {str(bool(value)).lower()}"
    if isinstance(value, (int, float, np.number)):
        return f"the number {value}"[: _LONGEST + 11]
    if isinstance(value, str):
        return f"the string {clip(value)!r}"
    if isinstance(value, (bytes, bytearray, memoryview)):
        return f"{len(value)} bytes"
    if isinstance(value, Mapping):
        return f"an object with keys {listing(value)}"
    if isinstance(value, (list, tuple)):
        return f"a list of {len(value)}"
    if isinstance(value, np.ndarray):
        return f"a {value.dtype.name} array of shape {list(value.shape)}"
    return f"a {type(value).__name__}"


def clip(text: str, longest: int = _LONGEST) -> str:
    """At most ``longest`` characters of a text a client sent."""
    return text if len(text) <= longest else text[: longest - 1] + "…"


def listing(names: object) -> str:
    """Names in the order given: ``['a', 'b']``; the first twenty, each clipped."""
    every = [clip(str(name)) for name in names] if isinstance(names, (Mapping, list, tuple)) else []
    shown = ", ".join(repr(name) for name in every[:20])
    return f"[{shown}, …]" if len(every) > 20 else f"[{shown}]"
