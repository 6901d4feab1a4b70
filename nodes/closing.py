"""How an object of a user's class lets go of what it holds: connections, threads, files."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

NAMES = ("close", "aclose")
KSERVE = "stop"
"""What a class in KServe's model shape may have instead."""


def closer(instance: Any, *more: str) -> Callable[[], Any] | None:
    """The first of ``close``, ``aclose`` and ``more`` that the object has; what it returns may
    have to be awaited. ``None`` where it has none."""
    for name in (*NAMES, *more):
        found = getattr(instance, name, None)
        if callable(found):
            return found  # type: ignore[no-any-return]
    return None
