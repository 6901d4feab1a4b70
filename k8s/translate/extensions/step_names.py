"""The names of a graph's steps, as annotations use them: ``node.step``."""

from __future__ import annotations

from umbel.graph.yaml_paths import Path
from umbel.k8s.resources.field_check import closest
from umbel.k8s.resources.graph_rules import Graph
from umbel.k8s.resources.inference_graph import GraphStep
from umbel.k8s.translate.extensions.annotation import Annotation

Spot = tuple[str, int]
"""(node, number of the step)"""


def title(step: GraphStep, index: int) -> str:
    """What a step is called: its name, else that of the service or node it calls."""
    return step.name or step.service_name or step.node_name or f"step-{index}"


def step_of(annotation: Annotation, path: Path, name: str) -> Spot | None:
    """The step called ``node.step`` or ``node.number``; without one, a finding."""
    named, numbered = _steps(annotation.graph)
    found = named.get(name, [])
    if len(found) == 1:
        return found[0]
    if found:
        numbers = " or ".join(repr(f"{node}.{index}") for node, index in found)
        annotation.find(
            "UMB-K611",
            path,
            f"{len(found)} steps are called {name!r}",
            f"give the steps names of their own, or write their number: {numbers}",
        )
        return None
    if name in numbered:
        return numbered[name]
    guess = closest(name, named) or _without_node(name, list(named))
    annotation.find(
        "UMB-K602",
        path,
        f"there is no step {name!r}; the steps are: {', '.join(named) or 'none'}",
        f"did you mean {guess!r}?" if guess else "write one of them, as node.step",
    )
    return None


def _steps(graph: Graph) -> tuple[dict[str, list[Spot]], dict[str, Spot]]:
    named: dict[str, list[Spot]] = {}
    numbered: dict[str, Spot] = {}
    for node, spec in graph.spec.nodes.items():
        for index, step in enumerate(spec.steps):
            named.setdefault(f"{node}.{title(step, index)}", []).append((node, index))
            numbered[f"{node}.{index}"] = (node, index)
    return named, numbered


def _without_node(name: str, known: list[str]) -> str:
    """The one step that ends like this: somebody left out the node."""
    found = [one for one in known if one.endswith(f".{name}")]
    return found[0] if len(found) == 1 else ""
