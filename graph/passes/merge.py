"""Equal calls become one: the same deterministic node on the same values, computed once."""

from __future__ import annotations

import dataclasses
from dataclasses import replace
from typing import Any

from umbel.graph.ir import Graph
from umbel.graph.plan import Plan
from umbel.graph.steps import Call, Constant, Operate, Select, Step, StepId


def merge(plan: Plan) -> Plan:
    """The plan with equal steps merged, in every graph."""
    graphs = {}
    for name, graph in plan.program.graphs.items():
        merged, gone = _merged(graph)
        graphs[name] = merged
        for one, other in gone:
            plan = plan.because(
                "merge", f"{name}.{one}", f"equal to {other!r}: one call serves both"
            )
    return replace(plan, program=replace(plan.program, graphs=graphs))


def _merged(graph: Graph) -> tuple[Graph, list[tuple[str, str]]]:
    renamed: dict[StepId, StepId] = {}
    seen: dict[str, StepId] = {}
    steps: list[Step] = []
    gone: list[tuple[str, str]] = []
    for step in graph.steps:
        step = rename(step, renamed)
        key = _key(graph, step)
        if key and key in seen:
            renamed[step.id] = seen[key]
            if isinstance(step, Call):
                gone.append((step.id, seen[key]))
            continue
        if key:
            seen[key] = step.id
        steps.append(step)
    outputs = tuple((name, renamed.get(ref, ref)) for name, ref in graph.outputs)
    return replace(graph, steps=tuple(steps), outputs=outputs), gone


def _key(graph: Graph, step: Step) -> str:
    """Equal keys mean equal values; empty for steps that may differ from call to call."""
    if isinstance(step, Call):
        if step.type.stream:  # a stream has one reader
            return ""
        if not graph.nodes[step.node].options.deterministic:
            return ""
        return f"call {step.node} {sorted(step.args)}"
    if isinstance(step, Select):
        return f"select {step.source} {step.key!r}"
    if isinstance(step, Operate):
        return f"operate {step.operator} {step.operands}"
    if isinstance(step, Constant):
        return f"constant {_told(step.value)}"
    return ""


def _told(value: object) -> str:
    """Equal texts mean equal plain values. The text of any other object may leave something
    out, as that of a large array does, so it is equal to itself only."""
    if value is None or type(value) in (bool, int, float, str, bytes):
        return repr(value)
    if type(value) in (list, tuple):
        items: Any = value
        return f"{type(value).__name__}({', '.join(map(_told, items))})"
    if type(value) is dict:
        pairs: dict[object, object] = value
        return f"dict({', '.join(f'{_told(k)}: {_told(v)}' for k, v in pairs.items())})"
    return f"object {id(value)}"


def rename(step: Step, renamed: dict[StepId, StepId]) -> Step:
    """The step reading the renamed steps."""
    if not any(ref in renamed for ref in step.reads()):
        return step

    def fresh(value: Any) -> Any:
        if isinstance(value, str):
            return renamed.get(StepId(value), value)
        if isinstance(value, tuple):
            return tuple(fresh(item) for item in value)
        if dataclasses.is_dataclass(value) and not isinstance(value, type):
            return _references(value, fresh)
        return value

    renamed_step: Step = _references(step, fresh)
    return renamed_step


_REFERENCES = frozenset(
    {"args", "source", "operands", "cases", "condition", "value", "otherwise", "shares",
     "branches", "stages", "parts", "answer", "picks"}
)  # fmt: skip


def _references(item: Any, fresh: Any) -> Any:
    """Copy of a step or branch with ``fresh`` applied to the fields that name steps."""
    changes: dict[str, Any] = {}
    for field in dataclasses.fields(item):
        if field.name in _REFERENCES and not (field.name == "value" and isinstance(item, Constant)):
            value = getattr(item, field.name)
            if field.name in ("args", "branches"):
                changes[field.name] = tuple((name, fresh(ref)) for name, ref in value)
            else:
                changes[field.name] = fresh(value)
    return dataclasses.replace(item, **changes)
