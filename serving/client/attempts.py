"""Further attempts of a call that got no answer, within one deadline.

Inference is idempotent: a call whose answer was lost may be made again.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Awaitable, Callable
from typing import TypeVar

from umbel.graph.errors import DeadlineExceeded, UmbelError
from umbel.graph.options import MAX_BACKOFF_MS, Retry

T = TypeVar("T")


class Unanswered(Exception):
    """An attempt that may be made again. ``error`` is what to raise if it is not;
    ``after_s`` is the pause the server asked for, in seconds."""

    def __init__(self, error: UmbelError, after_s: float = 0.0) -> None:
        super().__init__(error)
        self.error, self.after_s = error, after_s


class Deadline:
    """A point in time for all attempts of a call. ``seconds`` ``None`` is none."""

    def __init__(self, seconds: float | None) -> None:
        self._end = None if seconds is None else time.monotonic() + seconds
        self._seconds = seconds

    def left(self) -> float | None:
        """Seconds until then, never below 0; ``None`` where there is no deadline."""
        return None if self._end is None else max(0.0, self._end - time.monotonic())

    def passed(self, url: str) -> DeadlineExceeded:
        """The error of a call that was not answered in time."""
        return DeadlineExceeded(f"no answer from {url} within {self._seconds:g} s")


async def attempts(
    call: Callable[[], Awaitable[T]], retry: Retry, deadline: Deadline, url: str
) -> T:
    """The first answer. ``call`` raises ``Unanswered`` where another attempt may help.

    Raises the last attempt's error if there are no more attempts, and also where the next one
    could not begin before the deadline.
    """
    for number in range(1, max(1, retry.attempts) + 1):
        left = deadline.left()
        if left is not None and left <= 0:
            raise deadline.passed(url)
        try:
            return await call()
        except Unanswered as unanswered:
            pause = max(unanswered.after_s, _backoff(retry, number))
            left = deadline.left()
            if number >= retry.attempts or (left is not None and pause >= left):
                raise unanswered.error from unanswered.error.__cause__
        await asyncio.sleep(pause)
    raise AssertionError  # the last attempt returns or raises


def _backoff(retry: Retry, number: int) -> float:
    """Seconds before attempt ``number + 1``: doubling, with up to one half taken off."""
    longest = min(retry.backoff_ms * 2.0 ** (number - 1), MAX_BACKOFF_MS)
    return longest * random.uniform(0.5, 1.0) / 1000  # noqa: S311 - spreads callers, no secret
