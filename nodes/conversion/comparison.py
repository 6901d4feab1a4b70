"""How far two models' answers lie apart."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from umbel.graph.errors import DeclarationError
from umbel.nodes.descriptions import listing

TOLERANCE = 1e-4
"""The largest difference that is accepted: absolute for values up to 1, relative above."""


@dataclass(frozen=True)
class Comparison:
    """``largest``: the largest difference of two numbers; ``excess``: the largest in relation
    to the expected value where that is above 1. ``labels``: how many classes were compared, of
    which ``differing`` are others. ``distinct``: how many different classes occurred."""

    rows: int
    largest: float = 0.0
    excess: float = 0.0
    labels: int = 0
    differing: int = 0
    distinct: int = 0

    def accepted(self, tolerance: float) -> bool:
        """Whether every number is within the tolerance and every class the same."""
        return self.excess <= tolerance and not self.differing

    def joined(self, other: Comparison) -> Comparison:
        """Both as one."""
        return Comparison(
            max(self.rows, other.rows),
            max(self.largest, other.largest),
            max(self.excess, other.excess),
            self.labels + other.labels,
            self.differing + other.differing,
            max(self.distinct, other.distinct),
        )


def compare(expected: Any, got: Any, *, probabilities: bool = False) -> Comparison:
    """Compare two answers. ``probabilities``: the class with the highest one must agree too.
    Raises DeclarationError where they are not of one form."""
    if isinstance(expected, Mapping) or isinstance(got, Mapping):
        return _outputs(expected, got, probabilities)
    left, right = np.asarray(expected), np.asarray(got)
    if left.shape != right.shape:
        raise DeclarationError(
            f"the converted model answers with the shape {list(right.shape)}, the model with "
            f"{list(left.shape)}"
        )
    rows = left.shape[0] if left.ndim else 1
    if left.dtype.kind not in "fc":
        return _labels(left, right, rows)
    if right.dtype.kind not in "fc":
        raise DeclarationError(f"the converted model answers with {right.dtype}, not {left.dtype}")
    found = _numbers(left, right, rows)
    if probabilities and left.ndim == 2 and left.shape[1] > 1:
        return found.joined(_labels(left.argmax(axis=1), right.argmax(axis=1), rows))
    if probabilities and left.ndim == 1:  # of the second of two classes
        return found.joined(_labels(left > 0.5, right > 0.5, rows))
    return found


def _outputs(expected: Any, got: Any, probabilities: bool) -> Comparison:
    left = dict(expected) if isinstance(expected, Mapping) else {"output": expected}
    right = dict(got) if isinstance(got, Mapping) else {"output": got}
    if left.keys() != right.keys():
        raise DeclarationError(
            f"the converted model has the outputs {listing(list(right))}, the model "
            f"{listing(list(left))}"
        )
    whole = Comparison(0)
    for name, value in left.items():
        whole = whole.joined(compare(value, right[name], probabilities=probabilities))
    return whole


def _labels(left: Any, right: Any, rows: int) -> Comparison:
    same = left.astype(object) == right.astype(object)
    distinct = len(set(left.ravel().tolist()))
    return Comparison(rows, labels=left.size, differing=int((~same).sum()), distinct=distinct)


def _numbers(left: Any, right: Any, rows: int) -> Comparison:
    wide, other = left.astype(np.float64), right.astype(np.float64)
    alike = (wide == other) | (np.isnan(wide) & np.isnan(other))
    with np.errstate(invalid="ignore"):
        distance = np.where(alike, 0.0, np.abs(wide - other))
    distance = np.where(np.isnan(distance), np.inf, distance)
    scaled = distance / np.maximum(1.0, np.nan_to_num(np.abs(wide), nan=1.0, posinf=1.0))
    return Comparison(rows, float(distance.max(initial=0)), float(scaled.max(initial=0)))
