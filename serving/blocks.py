"""The order in which steps run, worked out once for each graph.

A *block* is what one demand needs: the steps that lead to its targets and run whatever
happens, in topological order. A branch of a switch is a block of its own, entered only when
it is taken, without the steps that are known to have run by then.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from umbel.graph.ir import Graph
from umbel.graph.steps import StepId

WAITS = (
    "Call", "Subgraph", "Route", "Service", "Predict", "Switch", "Split", "Sequence", "Merge",
    "Shadow", "Report", "Explain",
)  # fmt: skip
"""Kinds of step that may wait for something; all others are computed on the spot."""


@dataclass(frozen=True, slots=True)
class Block:
    """``order`` are indices into the graph's steps. ``waiting`` are those of it that may wait;
    ``parallel`` is false if each waiting step needs the one before it. ``needs`` gives, for a
    waiting step, the waiting steps it reads, directly or through computed ones, and
    ``computed`` the steps to compute just before it."""

    targets: tuple[int, ...]
    order: tuple[int, ...]
    waiting: tuple[int, ...] = ()
    parallel: bool = False
    needs: dict[int, tuple[int, ...]] = field(default_factory=dict)
    computed: dict[int, tuple[int, ...]] = field(default_factory=dict)


class BlockPlanner:
    """Blocks of one graph. ``shared`` are the steps that stand in more than one block and so
    might be demanded twice at once."""

    def __init__(self, graph: Graph) -> None:
        self.index: dict[StepId, int] = {step.id: i for i, step in enumerate(graph.steps)}
        self._steps = graph.steps
        self._always = [
            tuple(self.index[ref] for ref in step.always_reads()) for step in graph.steps
        ]
        self._waits = [type(step).__name__ in WAITS for step in graph.steps]
        self._before: dict[int, int] = {}
        self._count: dict[int, int] = {}
        self.root_targets = tuple(self.index[ref] for _, ref in graph.outputs)

    @property
    def shared(self) -> frozenset[int]:
        """Steps that stand in several blocks made so far."""
        return frozenset(i for i, count in self._count.items() if count > 1)

    def ancestors(self, step: int) -> frozenset[int]:
        """Every step that has certainly run when ``step`` runs."""
        return frozenset(_steps_of(self._run_before(step)))

    def _run_before(self, step: int) -> int:
        """``ancestors`` as bits of one number: sets would take gigabytes for a long chain."""
        before, stack = self._before, [step]
        while stack:
            current = stack[-1]
            if current in before:
                stack.pop()
                continue
            missing = [ref for ref in self._always[current] if ref not in before]
            if missing:
                stack += missing
                continue
            stack.pop()
            known = 0
            for ref in self._always[current]:
                known |= before[ref] | 1 << ref
            before[current] = known
        return before[step]

    def block(self, targets: Sequence[int], done: Iterable[int] = ()) -> Block:
        """The block that yields ``targets`` when ``done`` have run."""
        finished = frozenset(done)
        demanded = 0
        for target in targets:
            if target not in finished:
                demanded |= self._run_before(target) | 1 << target
        members = {step for step in _steps_of(demanded) if step not in finished}
        order = self._sorted(members)
        for member in order:
            self._count[member] = self._count.get(member, 0) + 1
        waiting = tuple(i for i in order if self._waits[i])
        parallel = any(
            not self._run_before(later) >> earlier & 1
            for earlier, later in itertools.pairwise(waiting)
        )
        needs, computed = self._dependencies(order) if parallel else ({}, {})
        return Block(tuple(targets), order, waiting, parallel, needs, computed)

    def _sorted(self, members: set[int]) -> tuple[int, ...]:
        """Depth first from the lowest index, so that a chain stays together."""
        order: list[int] = []
        placed: set[int] = set()
        for start in sorted(members):
            stack = [start]
            while stack:
                current = stack[-1]
                if current in placed:
                    stack.pop()
                    continue
                missing = [
                    ref for ref in self._always[current] if ref in members and ref not in placed
                ]
                if missing:
                    stack += reversed(missing)
                    continue
                stack.pop()
                placed.add(current)
                order.append(current)
        return tuple(order)

    def _dependencies(
        self, order: Sequence[int]
    ) -> tuple[dict[int, tuple[int, ...]], dict[int, tuple[int, ...]]]:
        members = set(order)
        needs: dict[int, tuple[int, ...]] = {}
        computed: dict[int, tuple[int, ...]] = {}
        for step in order:
            if not self._waits[step]:
                continue
            before: set[int] = set()
            direct: set[int] = set()
            stack = list(self._always[step])
            while stack:
                ref = stack.pop()
                if ref not in members or ref in before or ref in direct:
                    continue
                if self._waits[ref]:
                    direct.add(ref)
                else:
                    before.add(ref)
                    stack += self._always[ref]
            needs[step] = tuple(sorted(direct))
            computed[step] = tuple(ref for ref in order if ref in before)
        return needs, computed


def _steps_of(bits: int) -> Iterator[int]:
    while bits:
        lowest = bits & -bits
        yield lowest.bit_length() - 1
        bits ^= lowest
