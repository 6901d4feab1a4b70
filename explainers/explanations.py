"""What a method of a library is given and what it gives: the seam between ``opened_explainer``
and one file for each family of methods."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from umbel.explainers.batch_predictor import Array, BatchPredictor
from umbel.explainers.budget import Budget
from umbel.explainers.method import Method
from umbel.explainers.random_numbers import RandomStream

Explanation = dict[str, Any]
"""``{"meta": ..., "data": ...}``: what alibi's ``Explanation.to_json`` says, as plain data."""


@dataclass(frozen=True)
class Opening:
    """What an explainer is made of. ``options`` are checked. ``arrays`` are training rows by
    name (``x``, ``y``). ``runtime`` is the saved model, for methods that look inside it.
    ``pickled`` is a folder that alibi saved and that may be loaded. ``weights`` are those of
    trained networks by name."""

    method: Method
    options: Mapping[str, Any]
    arrays: Mapping[str, Array]
    runtime: Any = None
    folder: Path = Path()
    pickled: Path | None = None
    weights: Mapping[str, Array] = field(default_factory=dict)

    def given(self, *names: str) -> dict[str, Any]:
        """Those of the named options that are set."""
        return {name: self.options[name] for name in names if name in self.options}

    @property
    def seed(self) -> int:
        """Where random numbers start."""
        return int(self.options.get("seed", 0))


@dataclass(frozen=True)
class Job:
    """One explanation to make: the instances, the options with the caller's own, what predicts,
    and what it may cost. Runs in a thread, one at a time in a process."""

    x: Any
    options: Mapping[str, Any]
    predict: BatchPredictor
    budget: Budget
    random: RandomStream

    def given(self, *names: str) -> dict[str, Any]:
        """Those of the named options that are set."""
        return {name: self.options[name] for name in names if name in self.options}


class OpenedMethod(Protocol):
    """A method, ready. ``whole``: one explanation of all instances together, else one each."""

    whole: bool

    def explain(self, job: Job) -> list[Explanation]:
        """The explanations. Fewer than asked for, or less exact ones, where the budget was spent
        on the way; raises ``BudgetSpent`` where there is nothing at all."""
