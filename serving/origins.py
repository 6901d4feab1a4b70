"""Which values are a client's own: an input as it came, and what was picked or worked out of it
without a node. A mistake in them is the client's."""

from __future__ import annotations

from umbel.graph.ir import Graph
from umbel.graph.steps import Constant, Ensemble, Input, Operate, Select, StepId

Origin = frozenset[str] | None
"""The inputs that a value was made of; ``None`` if a node had a hand in it."""


def origins(graph: Graph) -> list[Origin]:
    """The origin of each step's value, in the order of the steps."""
    found: dict[StepId, Origin] = {}
    for step in graph.steps:
        if isinstance(step, Input):
            found[step.id] = frozenset({step.port})
        elif isinstance(step, (Constant, Select, Operate, Ensemble)):
            found[step.id] = _joined([found.get(ref) for ref in step.reads()])
        else:
            found[step.id] = None
    return list(found.values())


def _joined(parts: list[Origin]) -> Origin:
    joined: frozenset[str] = frozenset()
    for part in parts:
        if part is None:
            return None
        joined |= part
    return joined
