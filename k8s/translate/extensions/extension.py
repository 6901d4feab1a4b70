"""What the annotations of one graph ask for, as data."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from umbel.graph.message_steps import Feed
from umbel.graph.options import Retry

Reporting = Literal["never", "always", "on-request"]
Protocol = Literal["v1", "v2", "grpc-v2"]

REQUEST = -1
"""In a template's reference: the node's input instead of a step's number."""


@dataclass(frozen=True)
class Template:
    """A JSON body with ``Hole``s, and what goes there: (step's number or REQUEST, path)."""

    shape: object
    references: tuple[tuple[int, str], ...]


@dataclass(frozen=True)
class Edge:
    """What the body is turned into on its way to a step."""

    protocol: Protocol
    feeds: tuple[Feed, ...] = ()


@dataclass
class StepExtension:
    """What is asked of one step. ``mirror``: percent of the requests, ``None`` for no mirror."""

    retry: Retry | None = None
    mirror: int | None = None
    inputs: Template | None = None
    edge: Edge | None = None


@dataclass
class Extensions:
    """What is asked of one graph; ``headers`` is ``None`` where the ConfigMap's rules hold.
    Steps are known by their node and number, ``outputs`` by node."""

    headers: tuple[str, ...] | None = None
    steps: dict[tuple[str, int], StepExtension] = field(default_factory=dict)
    outputs: dict[str, Template] = field(default_factory=dict)
    reporting: Reporting = "never"

    def of(self, node: str, index: int) -> StepExtension:
        """What is asked of a step; to be changed only while annotations are read."""
        return self.steps.setdefault((node, index), StepExtension())

    def is_mirror(self, node: str, index: int) -> bool:
        """True if the step gets copies only."""
        found = self.steps.get((node, index))
        return found is not None and found.mirror is not None
