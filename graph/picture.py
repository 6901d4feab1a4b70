"""A graph as plain boxes and arrows, and that as a tree, Mermaid, DOT or JSON."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict, dataclass

from umbel.graph.ir import Graph, Program
from umbel.graph.message_steps import Compose, Note, Report, Shadow, ToV1, ToV2
from umbel.graph.router_steps import (
    Merge,
    PathExists,
    PredictionsToInstances,
    Route,
    Sequence,
    Service,
)
from umbel.graph.steps import (
    Call,
    Constant,
    Ensemble,
    Input,
    Operate,
    Select,
    Split,
    Step,
    Subgraph,
    Switch,
)
from umbel.graph.value_types import ANY


@dataclass(frozen=True)
class Box:
    """One step. ``shape`` says what it is: input, transformer, predictor, branch …"""

    id: str
    label: str
    shape: str


@dataclass(frozen=True)
class Arrow:
    """A value that flows. ``label`` names a port, branch or condition."""

    source: str
    target: str
    label: str = ""


@dataclass(frozen=True)
class Picture:
    """A graph, ready to be drawn. The answer is a box of its own, ``answer``."""

    name: str
    boxes: tuple[Box, ...]
    arrows: tuple[Arrow, ...]


def picture(graph: Graph) -> Picture:
    """The boxes and arrows of one graph."""
    boxes = [Box(s.id, _label(s) + _retries(graph, s), _shape(graph, s)) for s in graph.steps]
    arrows = [arrow for step in graph.steps for arrow in _arrows(step)]
    boxes.append(Box("answer", "answer", "answer"))
    several = len(graph.outputs) > 1
    arrows += [Arrow(ref, "answer", name if several else "") for name, ref in graph.outputs]
    return Picture(graph.name, tuple(boxes), tuple(arrows))


_SYMBOLS = {
    "lt": "<", "le": "≤", "eq": "=", "ne": "≠", "ge": "≥", "gt": ">", "add": "+", "sub": "-",
    "mul": "×", "truediv": "÷", "and_": "and", "or_": "or", "inv": "not", "neg": "-",
}  # fmt: skip


def _label(step: Step) -> str:
    typed = "" if step.type == ANY else f": {step.type}"
    if isinstance(step, Operate):
        return _SYMBOLS.get(step.operator, step.operator)
    if isinstance(step, Constant):
        return repr(step.value)
    if isinstance(step, Select):
        return f"[{step.key!r}]"
    if isinstance(step, Split):
        return "splitter"
    if isinstance(step, Ensemble):
        return f"ensemble ({step.combine})" if step.combine != "dict" else "ensemble"
    if isinstance(step, PathExists):
        return step.path
    if isinstance(step, Service):
        return f"{step.graph}{step.path}"
    if isinstance(step, PredictionsToInstances):
        return "predictions → instances"
    if isinstance(step, (Switch, Sequence, Merge, Route)):
        return step.id
    return _message_label(step) or f"{step.id}{typed}"


def _message_label(step: Step) -> str:
    if isinstance(step, (ToV1, ToV2)):
        return "→ V2" if isinstance(step, ToV2) else "→ V1"
    if isinstance(step, Compose):
        return "compose" if step.answer is None else "compose answer"
    if isinstance(step, Shadow):
        return "mirror" if step.percent == 100 else f"mirror {step.percent} %"
    if isinstance(step, Report):
        return "answer, and steps on request" if step.on_request else "answer and steps"
    return f"note {step.name}" if isinstance(step, Note) else ""


def _retries(graph: Graph, step: Step) -> str:
    retry = step.retry if isinstance(step, Service) else None
    if isinstance(step, Call) and step.node in graph.nodes:
        retry = graph.nodes[step.node].options.retry
    return f" (up to {retry.attempts} times)" if retry else ""


def _shape(graph: Graph, step: Step) -> str:
    if isinstance(step, Call):
        return graph.nodes[step.node].kind
    shapes: dict[type[Step], str] = {
        Input: "input", Switch: "branch", Split: "branch", Sequence: "branch", Ensemble: "join",
        Merge: "join", Subgraph: "graph", Route: "graph", Service: "service",
        Shadow: "mirror",
    }  # fmt: skip
    return shapes.get(type(step), "value")


def _arrows(step: Step) -> list[Arrow]:
    if isinstance(step, Switch):
        arrows = []
        for number, case in enumerate(step.cases):
            arrows.append(Arrow(case.condition, step.id, f"if {case.name or number}"))
            arrows.append(Arrow(case.value, step.id, f"then {case.name or number}"))
        if step.otherwise is not None:
            arrows.append(Arrow(step.otherwise, step.id, "otherwise"))
        return arrows
    if isinstance(step, Split):
        return [Arrow(s.value, step.id, f"{s.name} {s.weight} %".strip()) for s in step.shares]
    if isinstance(step, Ensemble):
        return [Arrow(ref, step.id, name) for name, ref in step.branches]
    if isinstance(step, Merge):
        return [Arrow(p.value, step.id, p.name + (" (Hard)" if p.hard else "")) for p in step.parts]
    if isinstance(step, Sequence):
        arrows = []
        for number, stage in enumerate(step.stages, 1):
            if stage.condition is not None:
                arrows.append(Arrow(stage.condition, step.id, f"{number} if"))
            hard = " (Hard)" if stage.hard else ""
            arrows.append(Arrow(stage.value, step.id, f"{number} {stage.name}{hard}".strip()))
        return arrows
    if isinstance(step, (Shadow, Compose)):
        return _message_arrows(step)
    if isinstance(step, (Call, Subgraph)) and len(step.args) > 1:
        return [Arrow(ref, step.id, port) for port, ref in step.args]
    return [Arrow(ref, step.id) for ref in step.reads()]


def _message_arrows(step: Shadow | Compose) -> list[Arrow]:
    if isinstance(step, Shadow):
        condition = [] if step.condition is None else [Arrow(step.condition, step.id, "if")]
        return [*condition, Arrow(step.value, step.id)]
    picked = [Arrow(pick.source, step.id, pick.path) for pick in step.picks]
    return picked if step.answer is None else [Arrow(step.answer, step.id), *picked]


def _tree(pictures: list[Picture]) -> str:
    return "\n\n".join(_one_tree(p) for p in pictures)


def _one_tree(p: Picture) -> str:
    labels = {box.id: box for box in p.boxes}
    feeds: dict[str, list[Arrow]] = {}
    for arrow in p.arrows:
        feeds.setdefault(arrow.target, []).append(arrow)
    lines = [p.name]
    shown: set[str] = set()

    waiting = _below("answer", "", feeds)
    while waiting:
        arrow, indent, last = waiting.pop()
        box = labels[arrow.source]
        again = arrow.source in shown and feeds.get(arrow.source)
        note = f"{arrow.label} ← " if arrow.label else ""
        kind = f"  ({box.shape})" if box.shape not in ("value", "input") else ""
        tail = "  ↑" if again else ""
        lines.append(f"{indent}{'└─ ' if last else '├─ '}{note}{box.label}{kind}{tail}")
        if not again:
            shown.add(arrow.source)
            waiting += _below(arrow.source, indent + ("   " if last else "│  "), feeds)
    return "\n".join(lines)


def _below(
    target: str, indent: str, feeds: dict[str, list[Arrow]]
) -> list[tuple[Arrow, str, bool]]:
    """What feeds ``target``, the last to be drawn first, each with its indent and whether it is
    the last."""
    arrows = feeds.get(target, [])
    return [(arrow, indent, arrow is arrows[-1]) for arrow in reversed(arrows)]


def _quoted(text: str) -> str:
    return text.replace('"', "'")


_MERMAID = {
    "input": ('(["', '"])'),
    "answer": ('(["', '"])'),
    "branch": ('{"', '"}'),
    "join": ('{{"', '"}}'),
    "graph": ('[["', '"]]'),
}


def _mermaid(pictures: list[Picture]) -> str:
    lines = ["flowchart LR"]
    for number, p in enumerate(pictures):
        lines.append(f'  subgraph g{number}["{_quoted(p.name)}"]')
        ids = {box.id: f"g{number}n{i}" for i, box in enumerate(p.boxes)}
        for box in p.boxes:
            left, right = _MERMAID.get(box.shape, ('["', '"]'))
            lines.append(f"    {ids[box.id]}{left}{_quoted(box.label)}{right}")
        for a in p.arrows:
            label = f'|"{_quoted(a.label)}"|' if a.label else ""
            lines.append(f"    {ids[a.source]} -->{label} {ids[a.target]}")
        lines.append("  end")
    return "\n".join(lines)


_DOT = {"input": "oval", "answer": "oval", "branch": "diamond", "join": "hexagon"}


def _dot(pictures: list[Picture]) -> str:
    lines = ["digraph umbel {", "  rankdir=LR;"]
    for number, p in enumerate(pictures):
        lines.append(f"  subgraph cluster_{number} {{ label={json.dumps(p.name)};")
        for box in p.boxes:
            key = json.dumps(f"{p.name}/{box.id}")
            shape = _DOT.get(box.shape, "box")
            lines.append(f"    {key} [label={json.dumps(box.label)} shape={shape}];")
        for a in p.arrows:
            source, target = json.dumps(f"{p.name}/{a.source}"), json.dumps(f"{p.name}/{a.target}")
            lines.append(f"    {source} -> {target} [label={json.dumps(a.label)}];")
        lines.append("  }")
    return "\n".join([*lines, "}"])


def _json(pictures: list[Picture]) -> str:
    return json.dumps([asdict(p) for p in pictures], indent=2, ensure_ascii=False)


RENDERERS: dict[str, Callable[[list[Picture]], str]] = {
    "tree": _tree,
    "mermaid": _mermaid,
    "dot": _dot,
    "json": _json,
}


def draw(program: Program, form: str) -> str:
    """All graphs of a program as ``tree``, ``mermaid``, ``dot`` or ``json``."""
    return RENDERERS[form]([picture(graph) for graph in program])
