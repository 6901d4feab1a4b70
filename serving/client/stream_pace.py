"""How long a reader of a stream waits: for each item, and for all of them."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from dataclasses import dataclass
from typing import TypeVar

from umbel.graph.errors import DeadlineExceeded
from umbel.serving.client.attempts import Deadline

T = TypeVar("T")


@dataclass(frozen=True)
class Pace:
    """``deadline`` is the stream's; ``item_s``: seconds to wait for one item, ``None`` for as
    long as the deadline allows. Time that the reader takes between items counts for the
    first only."""

    deadline: Deadline
    item_s: float | None = None

    async def within(self, work: Awaitable[T], url: str) -> T:
        """What ``work`` gives. Raises ``DeadlineExceeded``."""
        left = self.deadline.left()
        limits = [one for one in (left, self.item_s) if one is not None]
        try:
            return await asyncio.wait_for(work, min(limits, default=None))
        except asyncio.TimeoutError as error:
            whole = self.item_s is None or (left is not None and left <= self.item_s)
            if whole:
                raise self.deadline.passed(f"{url} (the whole stream)") from error
            raise DeadlineExceeded(f"no item from {url} within {self.item_s:g} s") from error
