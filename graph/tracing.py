"""Tracing: a graph function is called once with symbolic values, and what it does is the graph.

Nothing is raised for a mistake that tracing can outlive: it becomes a finding and the
trace goes on, so that one ``umbel check`` shows them all.
"""

from __future__ import annotations

import contextvars
import dataclasses
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Any, TypeVar

from umbel.graph.errors import DeclarationError
from umbel.graph.findings import Finding, Place
from umbel.graph.ir import Node
from umbel.graph.steps import Constant, NodeName, Operate, Select, Step, StepId
from umbel.graph.value_types import ANY, ValueType

if TYPE_CHECKING:
    from umbel.graph.graph_definitions import GraphDefinition

_HERE = (Path(__file__).resolve().parents[1], Path(__file__).parents[1])  # and through links
_OURS = tuple(f"{up}/{name}/" for up in _HERE for name in ("graph", "transformers", "explainers"))
_active: contextvars.ContextVar[Trace | None] = contextvars.ContextVar("umbel_trace", default=None)

S = TypeVar("S", bound=Step)


def active_trace() -> Trace | None:
    """The trace under way in this context, if a graph function is being traced."""
    return _active.get()


def caller_place() -> Place:
    """The first frame outside the folders that declare: the line of the user's file."""
    frame: FrameType | None = sys._getframe(1)
    while frame is not None:
        name = frame.f_code.co_filename
        if not name.startswith((*_OURS, "<")):
            return Place(name, frame.f_lineno, frame.f_code.co_name)
        frame = frame.f_back
    return Place()


class Declaration:
    """A node, class or graph as declared: something to call in a graph, never a value."""


class Trace:
    """What one graph function has done so far."""

    def __init__(self, names: Mapping[int, str]) -> None:
        self.names = names
        """Variable names by the id of the object they hold, for nodes without a name."""
        self.nodes: dict[NodeName, Node] = {}
        self.steps: list[Step] = []
        self.findings: list[Finding] = []
        self.subgraphs: list[GraphDefinition] = []
        self._used: dict[str, int] = {}  # name → how often it was asked for

    def __enter__(self) -> Trace:
        self._token = _active.set(self)
        return self

    def __exit__(self, *_: object) -> None:
        _active.reset(self._token)

    def fresh(self, base: str) -> StepId:
        """A step id not used yet: ``base``, ``base_2``, ``base_3`` …"""
        count = self._used[base] = self._used.get(base, 0) + 1
        name = base if count == 1 else f"{base}_{count}"
        if count > 1 and name in self._used:
            return self.fresh(base)
        self._used.setdefault(name, 1)
        return StepId(name)

    def add(self, step: Step) -> Value:
        """Append a step and hand back its symbolic value."""
        self.steps.append(step)
        return Value(self, step.id, step.type)

    def retype(self, value: Value, type_: ValueType) -> Value:
        """Give the newest step the type that its port declares."""
        for index in range(len(self.steps) - 1, -1, -1):
            if self.steps[index].id == value.step:
                self.steps[index] = dataclasses.replace(self.steps[index], type=type_)
                return Value(self, value.step, type_)
        return value

    def find(
        self, code: str, message: str, *, fix: str = "", subject: str = "", severity: Any = "error"
    ) -> None:
        """Record a mistake at the user's current line."""
        self.findings.append(Finding(severity, code, message, caller_place(), fix, subject))

    def lift(self, value: object) -> Value:
        """The step for ``value``: itself if symbolic, else a constant."""
        if isinstance(value, Value):
            if value.trace is not self:
                self.find(
                    "UMB-G104",
                    "a value of another graph is used here",
                    fix="pass it in as an input of this graph",
                )
                return self.add(Constant(id=self.fresh("constant"), value=None))
            return value
        problem, fix = _not_plain(value)
        if problem:
            self.find("UMB-G108", problem, fix=fix)
            return next(_values_in(value), self.add(Constant(id=self.fresh("none"), value=None)))
        return self.add(
            Constant(id=self.fresh("constant"), value=value, place=caller_place(), type=_of(value))
        )


def _not_plain(value: object) -> tuple[str, str]:
    """Why ``value`` cannot be a constant of a graph, and the fix; empty texts if it can."""
    if isinstance(value, Declaration):
        return f"{value!r} itself is passed on, not its result", "call it: node(x)"
    if isinstance(value, Outputs):
        names = ", ".join(value.names)
        return f"{len(value)} outputs at once ({names})", f"pick one: value[{value.names[0]!r}]"
    if next(_values_in(value), None) is not None:
        kind = type(value).__name__
        return (
            f"a {kind} of graph values is passed on, whose values exist only when a request runs",
            "join them with ensemble(name=value, ...), or pass each as an argument of its own",
        )
    return "", ""


def _values_in(value: object) -> Iterator[Value]:
    if isinstance(value, Value):
        yield value
    elif isinstance(value, (list, tuple, set, Mapping)):
        for part in value.values() if isinstance(value, Mapping) else value:
            yield from _values_in(part)


def _of(value: object) -> ValueType:
    forms: dict[type, Any] = {
        bool: "bool", int: "int", float: "float", str: "str", bytes: "bytes",
        dict: "dict", list: "list",
    }  # fmt: skip
    return ValueType(forms.get(type(value), "any"))


class Value:
    """A value that will exist when a request runs. Supports ``value["key"]``, comparisons,
    arithmetic and reductions (``.all()``, ``.max()`` …), each of which becomes a step."""

    __slots__ = ("step", "trace", "type")
    __hash__ = object.__hash__

    def __init__(self, trace: Trace, step: StepId, type_: ValueType) -> None:
        self.trace, self.step, self.type = trace, step, type_

    def __repr__(self) -> str:
        return f"<value of step {self.step!r}: {self.type}>"

    def __getitem__(self, key: str | int) -> Value:
        if not isinstance(key, (str, int)):
            raise DeclarationError(f"value[{key!r}]: a graph value takes one name or one index")
        return self.trace.add(
            Select(
                id=self.trace.fresh(f"{self.step}.{key}"),
                source=self.step,
                key=key,
                place=caller_place(),
            )
        )

    def __iter__(self) -> Iterator[Value]:
        raise DeclarationError(
            f"the value of {self.step!r} cannot be unpacked: its node has one output. "
            "Annotate the node's result as tuple[...] to give it several"
        )

    def __bool__(self) -> bool:
        raise DeclarationError(
            f"the value of {self.step!r} is not known while the graph is declared, so `if`, "
            "`and`, `or` and `not` cannot use it. Write switch(when(condition, value), "
            "otherwise(value)), and `&`, `|`, `~` on conditions"
        )

    def _operate(self, operator: str, *others: object, swap: bool = False) -> Value:
        operands = [self, *(self.trace.lift(other) for other in others)]
        if swap:
            operands.reverse()
        return self.trace.add(
            Operate(
                id=self.trace.fresh(operator.strip("_")),
                operator=operator,
                operands=tuple(operand.step for operand in operands),
                place=caller_place(),
                type=ANY,
            )
        )

    def __lt__(self, other: object) -> Value:
        return self._operate("lt", other)

    def __le__(self, other: object) -> Value:
        return self._operate("le", other)

    def __eq__(self, other: object) -> Value:  # type: ignore[override]
        return self._operate("eq", other)

    def __ne__(self, other: object) -> Value:  # type: ignore[override]
        return self._operate("ne", other)

    def __ge__(self, other: object) -> Value:
        return self._operate("ge", other)

    def __gt__(self, other: object) -> Value:
        return self._operate("gt", other)

    def __add__(self, other: object) -> Value:
        return self._operate("add", other)

    def __radd__(self, other: object) -> Value:
        return self._operate("add", other, swap=True)

    def __sub__(self, other: object) -> Value:
        return self._operate("sub", other)

    def __rsub__(self, other: object) -> Value:
        return self._operate("sub", other, swap=True)

    def __mul__(self, other: object) -> Value:
        return self._operate("mul", other)

    def __rmul__(self, other: object) -> Value:
        return self._operate("mul", other, swap=True)

    def __truediv__(self, other: object) -> Value:
        return self._operate("truediv", other)

    def __rtruediv__(self, other: object) -> Value:
        return self._operate("truediv", other, swap=True)

    def __and__(self, other: object) -> Value:
        return self._operate("and_", other)

    def __or__(self, other: object) -> Value:
        return self._operate("or_", other)

    def __invert__(self) -> Value:
        return self._operate("inv")

    def __neg__(self) -> Value:
        return self._operate("neg")

    def all(self) -> Value:
        """True if every element holds."""
        return self._operate("all")

    def any(self) -> Value:
        """True if at least one element holds."""
        return self._operate("any")

    def max(self) -> Value:
        """The largest element."""
        return self._operate("max")

    def min(self) -> Value:
        """The smallest element."""
        return self._operate("min")

    def mean(self) -> Value:
        """The mean of all elements."""
        return self._operate("mean")

    def sum(self) -> Value:
        """The sum of all elements."""
        return self._operate("sum")


class Outputs(tuple[Value, ...]):
    """Several outputs of one call: unpacked by position, or picked by name."""

    names: tuple[str, ...]

    @classmethod
    def of(cls, names: tuple[str, ...], values: tuple[Value, ...]) -> Outputs:
        """Pair values with their port names."""
        outputs = cls(values)
        outputs.names = names
        return outputs

    def __getitem__(self, key: Any) -> Any:
        if isinstance(key, str):
            if key not in self.names:
                raise DeclarationError(f"no output {key!r}; there are {', '.join(self.names)}")
            return super().__getitem__(self.names.index(key))
        return super().__getitem__(key)
