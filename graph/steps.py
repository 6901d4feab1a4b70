"""The steps a graph is made of: a static single-assignment dataflow, evaluated on demand.

A step names the steps it reads by id. A step runs when something that was asked for needs
it, so the branches of a ``Switch`` or a ``Split`` cost nothing unless they are taken. Steps
hold no values and no code: a ``Call`` names the node that has the code.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal, NewType

from umbel.graph.findings import Place
from umbel.graph.value_types import ANY, ValueType

StepId = NewType("StepId", str)
NodeName = NewType("NodeName", str)
GraphName = NewType("GraphName", str)


@dataclass(frozen=True, kw_only=True)
class Step:
    """What every step has: an id unique in its graph, where it was declared, what it yields."""

    id: StepId
    place: Place = field(default=Place(), compare=False)
    type: ValueType = ANY

    def reads(self) -> tuple[StepId, ...]:
        """Every step this one may read, in order."""
        return ()

    def always_reads(self) -> tuple[StepId, ...]:
        """The steps this one reads whatever happens; the rest only when a branch is taken."""
        return self.reads()


@dataclass(frozen=True, kw_only=True)
class Input(Step):
    """One of the graph's inputs. ``default`` is its value when none comes."""

    port: str
    default: object = None


@dataclass(frozen=True, kw_only=True)
class Constant(Step):
    """A plain JSON-like value written in the graph."""

    value: object


@dataclass(frozen=True, kw_only=True)
class Call(Step):
    """A call of a node. ``args`` pairs the node's port names with the steps that feed them."""

    node: NodeName
    args: tuple[tuple[str, StepId], ...]

    def reads(self) -> tuple[StepId, ...]:
        return tuple(step for _, step in self.args)


@dataclass(frozen=True, kw_only=True)
class Explain(Call):
    """A call of an explainer, which itself calls what it explains as often as it likes: the
    graph ``graph``, or the node ``predictor`` of the same graph. Exactly one is set."""

    graph: GraphName = GraphName("")
    predictor: NodeName = NodeName("")


@dataclass(frozen=True, kw_only=True)
class Subgraph(Step):
    """A call of another graph of the same program, in a scope of its own.

    The value is the graph's only output, or a dict of its outputs by name.
    """

    graph: GraphName
    args: tuple[tuple[str, StepId], ...]

    def reads(self) -> tuple[StepId, ...]:
        return tuple(step for _, step in self.args)


@dataclass(frozen=True, kw_only=True)
class Select(Step):
    """``source[key]``: a key of a dict, a column of a DataFrame, an index of a sequence."""

    source: StepId
    key: str | int

    def reads(self) -> tuple[StepId, ...]:
        return (self.source,)


@dataclass(frozen=True, kw_only=True)
class Operate(Step):
    """An operator or a reduction on values: ``gt``, ``add``, ``all``, ``max`` …

    ``operator`` is a name of Python's ``operator`` module, or one of ``REDUCTIONS``.
    """

    operator: str
    operands: tuple[StepId, ...]

    def reads(self) -> tuple[StepId, ...]:
        return self.operands


REDUCTIONS = ("all", "any", "max", "min", "mean", "sum")
OPERATORS = (
    "lt", "le", "eq", "ne", "ge", "gt", "add", "sub", "mul", "truediv", "and_", "or_", "inv",
    "neg",
)  # fmt: skip


@dataclass(frozen=True)
class Case:
    """``value`` is taken when ``condition`` holds. An array holds when all its elements do."""

    condition: StepId
    value: StepId
    name: str = ""


@dataclass(frozen=True, kw_only=True)
class Switch(Step):
    """The value of the first case whose condition holds, else ``otherwise``."""

    cases: tuple[Case, ...]
    otherwise: StepId | None = None

    def reads(self) -> tuple[StepId, ...]:
        refs = [ref for case in self.cases for ref in (case.condition, case.value)]
        return (*refs, *(() if self.otherwise is None else (self.otherwise,)))

    def always_reads(self) -> tuple[StepId, ...]:
        return (self.cases[0].condition,) if self.cases else ()


@dataclass(frozen=True)
class Share:
    """``weight`` percent of the requests take ``value``."""

    weight: int
    value: StepId
    name: str = ""


@dataclass(frozen=True, kw_only=True)
class Split(Step):
    """One branch at random, by weight. Weights sum to 100."""

    shares: tuple[Share, ...]

    def reads(self) -> tuple[StepId, ...]:
        return tuple(share.value for share in self.shares)

    def always_reads(self) -> tuple[StepId, ...]:
        return ()


Combine = Literal["dict", "mean", "vote", "concatenate"]


@dataclass(frozen=True, kw_only=True)
class Ensemble(Step):
    """All branches at once, joined by ``combine``: a dict by branch name, the element-wise
    mean, the majority label of each row, or the branches side by side on the last axis."""

    branches: tuple[tuple[str, StepId], ...]
    combine: Combine = "dict"

    def reads(self) -> tuple[StepId, ...]:
        return tuple(step for _, step in self.branches)
