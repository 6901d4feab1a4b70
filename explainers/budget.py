"""What one explanation may cost, and what it has cost so far."""

from __future__ import annotations

import time
from typing import Any

from umbel.graph.errors import DeadlineExceeded


class BudgetSpent(Exception):
    """The explanation has to end now, with what it has."""


class OverBudget(DeadlineExceeded):
    """The budget was spent before there was anything to answer."""


class Budget:
    """Seconds and predicted rows of one explanation. Time counts from when it starts to run."""

    def __init__(self, seconds: float, samples: int, deadline_s: float | None) -> None:
        self.seconds, self.samples = seconds, samples
        self._made = time.monotonic()
        self._deadline = None if deadline_s is None else self._made + 0.9 * deadline_s
        self._start = self._made
        self.used = 0
        self.cancelled = False
        self.spent_on = ""
        """Why the explanation had to end, empty if it did not."""

    def start(self) -> None:
        """It runs now."""
        self._start = time.monotonic()

    @property
    def elapsed(self) -> float:
        """Seconds since the start."""
        return time.monotonic() - self._start

    def take(self, rows: int) -> None:
        """Note that ``rows`` are about to be predicted. Raises ``BudgetSpent``."""
        self.check()
        if self.used + rows > self.samples:
            self._end(f"it may predict {self.samples:,} rows (budget_samples)")
        self.used += rows

    def check(self) -> None:
        """Raises ``BudgetSpent`` when time is over or nobody waits any more."""
        if self.cancelled:
            self._end("nobody waits for it any more")
        if self.elapsed > self.seconds:
            self._end(f"it may take {self.seconds:g} s (budget_s)")
        if self._deadline is not None and time.monotonic() > self._deadline:
            self._end("the request's deadline is near")

    def _end(self, reason: str) -> None:
        self.spent_on = self.spent_on or reason
        raise BudgetSpent(reason)

    def report(self) -> dict[str, Any]:
        """What it cost, for the answer."""
        told: dict[str, Any] = {
            "samples": self.used,
            "seconds": round(self.elapsed, 4),
            "partial": bool(self.spent_on),
        }
        return {**told, "because": self.spent_on} if self.spent_on else told
