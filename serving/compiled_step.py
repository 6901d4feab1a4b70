"""A step ready to run: it *computes* its value on the spot, or *waits* for it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from umbel.nodes.loaded import Handle
from umbel.serving.scope import Scope

Compute = Callable[[list[Any]], Any]
"""From the values of the scope to the step's own."""

Wait = Callable[[Scope], Awaitable[Any]]
"""Runs the step in a scope."""


@dataclass(slots=True)
class CompiledStep:
    """Exactly one of ``compute`` and ``wait`` is set. ``handle`` is a call's node handle."""

    compute: Compute | None = None
    wait: Any = None
    handle: Handle | None = None
