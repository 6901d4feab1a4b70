"""Operators, reductions, selection and combination on run-time values."""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from umbel.graph.errors import ServingError
from umbel.graph.steps import REDUCTIONS, Combine
from umbel.nodes.descriptions import describe


class OperationFailed(ServingError):
    """A step between nodes cannot work with the value it got."""


def _plain(value: Any) -> Any:
    """Lists become arrays, so that operators work element by element."""
    return np.asarray(value) if isinstance(value, (list, tuple)) else value


def select(value: Any, key: str | int, step: str) -> Any:
    """``value[key]``; what exists is named when it does not."""
    try:
        if isinstance(key, int) and isinstance(value, Mapping):
            return list(value.values())[key]
        return value[key]
    except Exception as error:
        raise OperationFailed(f"step {step!r}: expected {key!r}, got {describe(value)}") from error


def operation(name: str, step: str) -> Callable[..., Any]:
    """The function for an operator or reduction of ``umbel.graph.steps``."""
    run = _reduction(name) if name in REDUCTIONS else getattr(operator, name)

    def guarded(*operands: Any) -> Any:
        try:
            plain = [_plain(value) for value in operands]
            if name == "inv" and isinstance(plain[0], bool):
                return not plain[0]
            return run(*plain)
        except Exception as error:
            given = ", ".join(describe(value) for value in operands)
            raise OperationFailed(f"step {step!r}: {name} does not work on {given}") from error

    return guarded


def _reduction(name: str) -> Callable[[Any], Any]:
    reduce = getattr(np, name)

    def run(value: Any) -> Any:
        own = getattr(value, name, None)
        return own() if callable(own) else reduce(value)

    return run


def holds(value: Any, step: str) -> bool:
    """A condition's truth: an array or tensor holds when all its elements do."""
    try:
        return _holds(value)
    except Exception as error:
        raise OperationFailed(
            f"switch {step!r}: a condition is neither true nor false: {describe(value)}"
        ) from error


def _holds(value: Any) -> bool:
    if isinstance(value, (bool, np.bool_)) or value is None:
        return bool(value)
    if hasattr(value, "all") and hasattr(value, "shape"):
        return bool(value.all())
    if isinstance(value, (list, tuple)):
        return bool(value) and all(_holds(item) for item in value)
    return bool(value)


def combination(combine: Combine, step: str) -> Callable[[dict[str, Any]], Any]:
    """The function that joins an ensemble's branches."""
    run = _COMBINATIONS[combine]

    def guarded(branches: dict[str, Any]) -> Any:
        try:
            return run(branches)
        except Exception as error:
            raise OperationFailed(
                f"ensemble {step!r}: {combine} cannot join {', '.join(branches)}"
            ) from error

    return guarded


def _arrays(branches: dict[str, Any]) -> list[Any]:
    arrays = []
    for value in branches.values():
        detach = getattr(value, "detach", None)
        arrays.append(np.asarray(detach().cpu() if callable(detach) else value))
    return arrays


def _mean(branches: dict[str, Any]) -> Any:
    result: Any = np.mean(np.stack(_arrays(branches)), axis=0)
    return result


def _vote(branches: dict[str, Any]) -> Any:
    votes = np.stack(_arrays(branches))
    counts = (votes[:, None] == votes[None, :]).sum(axis=1)
    winner = counts.argmax(axis=0)  # the first of equal counts: the earliest branch
    result: Any = np.take_along_axis(votes, winner[None], axis=0)[0]
    return result


def _concatenate(branches: dict[str, Any]) -> Any:
    arrays = [a[:, None] if a.ndim == 1 else a for a in _arrays(branches)]
    return np.concatenate(arrays, axis=-1)


_COMBINATIONS: dict[str, Callable[[dict[str, Any]], Any]] = {
    "dict": dict,
    "mean": _mean,
    "vote": _vote,
    "concatenate": _concatenate,
}
