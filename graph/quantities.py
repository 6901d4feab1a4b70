"""Kubernetes' quantities (``500m``, ``2Gi``) as numbers: in its resources and in pools files."""

from __future__ import annotations

import re

_UNITS = {
    "n": 1e-9,
    "u": 1e-6,
    "m": 1e-3,
    "": 1.0,
    "k": 1e3,
    "M": 1e6,
    "G": 1e9,
    "T": 1e12,
    "P": 1e15,
    "E": 1e18,
    "Ki": 2.0**10,
    "Mi": 2.0**20,
    "Gi": 2.0**30,
    "Ti": 2.0**40,
    "Pi": 2.0**50,
    "Ei": 2.0**60,
}


def amount(quantity: str | int | float) -> float:
    """The number a quantity stands for: ``500m`` is 0.5, ``1Mi`` is 1048576.

    Raises ValueError for text that is no quantity.
    """
    if not isinstance(quantity, str):
        return float(quantity)
    match = re.fullmatch(r"([+-]?[0-9.]+(?:[eE][+-]?[0-9]+)?)([a-zA-Z]*)", quantity)
    if match is None or match[2] not in _UNITS:
        raise ValueError(f"not a quantity: {quantity!r}")
    return float(match[1]) * _UNITS[match[2]]
