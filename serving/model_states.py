"""Which models are unloaded: one answer for all replicas of a graph, those started later included.

A change is applied here first and then published; how it reaches other replicas is the backend's.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Protocol

State = tuple[str, str]
"""A graph's name, and the name of a model in it."""


class Publisher(Protocol):
    """Tells the other replicas."""

    async def publish(self, graph: str, model: str, ready: bool) -> None:
        """Returns once every replica that runs now has applied the change."""


class ModelStates:
    """The states of one process. Everything is loaded that nobody unloaded."""

    def __init__(self) -> None:
        self._unloaded: set[State] = set()
        self.changes = 0
        """How many changes were applied: tells whether something read before is still news."""
        self.publisher: Publisher | None = None

    def ready(self, graph: str, model: str) -> bool:
        """Whether requests for the model are taken."""
        return (graph, model) not in self._unloaded

    def apply(self, graph: str, model: str, ready: bool) -> None:
        """A change that was made here or elsewhere."""
        self.changes += 1
        if ready:
            self._unloaded.discard((graph, model))
        else:
            self._unloaded.add((graph, model))

    def replace(self, unloaded: Iterable[State]) -> None:
        """Take over what is known elsewhere."""
        self._unloaded = set(unloaded)

    async def change(self, graph: str, model: str, ready: bool) -> None:
        """Load or unload, everywhere."""
        self.apply(graph, model, ready)
        if self.publisher is not None:
            await self.publisher.publish(graph, model, ready)
