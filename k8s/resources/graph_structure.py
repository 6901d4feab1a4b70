"""What KServe does not look at in a graph, but can never work: dangling names, circles."""

from __future__ import annotations

from collections.abc import Iterator

from umbel.graph.findings import Finding
from umbel.k8s.resources.field_check import closest
from umbel.k8s.resources.graph_rules import Graph, step_text
from umbel.k8s.resources.inference_graph import ROOT

Edge = tuple[int, str]
"""(step's number, the node it calls)"""


def structure_findings(graph: Graph) -> Iterator[Finding]:
    """Dangling node names, empty nodes, circles (errors) and unreachable nodes (warnings)."""
    yield from _dangling(graph)
    yield from _empty(graph)
    yield from _circles(graph)
    yield from _unreachable(graph)


def edges_of(graph: Graph) -> dict[str, list[Edge]]:
    """Node → the steps that call another existing node."""
    nodes = graph.spec.nodes
    return {
        name: [
            (index, step.node_name)
            for index, step in enumerate(node.steps)
            if step.node_name in nodes
        ]
        for name, node in nodes.items()
    }


def _dangling(graph: Graph) -> Iterator[Finding]:
    nodes = graph.spec.nodes
    for name, node in nodes.items():
        for index, step in enumerate(node.steps):
            if not step.node_name or step.node_name in nodes:
                continue
            guess = closest(step.node_name, nodes)
            yield graph.finding(
                "error",
                "UMB-K110",
                ("spec", "nodes", name, "steps", index, "nodeName"),
                f"{step_text(step, index)} of node {name!r} goes to the node "
                f"{step.node_name!r}, which does not exist; the nodes are: {', '.join(nodes)}",
                f"did you mean {guess!r}?"
                if guess
                else "declare the node, or use serviceName if it is an InferenceService",
            )


def _empty(graph: Graph) -> Iterator[Finding]:
    for name, node in graph.spec.nodes.items():
        path = ("spec", "nodes", name, "steps")
        if not node.steps and not graph.is_broken(path):
            yield graph.finding(
                "error",
                "UMB-K112",
                path,
                f"node {name!r} has no steps; KServe's router crashes on it",
                "add a step, or remove the node and the steps that go to it",
            )


def _circles(graph: Graph) -> Iterator[Finding]:
    """Each circle once, at the step that closes it. Depth first, without recursion."""
    edges = edges_of(graph)
    done: set[str] = set()
    for start in sorted(edges, key=lambda name: name != ROOT):
        trail = [start]
        pending = [] if start in done else [iter(edges[start])]
        while pending:
            index, target = next(pending[-1], (-1, ""))
            if index < 0:
                pending.pop()
                done.add(trail.pop())
            elif target in trail:
                yield _circle(graph, trail, index, target)
            elif target not in done:
                trail.append(target)
                pending.append(iter(edges[target]))


def _circle(graph: Graph, trail: list[str], index: int, target: str) -> Finding:
    name = trail[-1]
    circle = " -> ".join([*trail[trail.index(target) :], target])
    return graph.finding(
        "error",
        "UMB-K111",
        ("spec", "nodes", name, "steps", index, "nodeName"),
        f"the nodes call each other in a circle: {circle}; a request would never end",
        f"let this step of {name!r} go to another node or to a service",
    )


def _unreachable(graph: Graph) -> Iterator[Finding]:
    edges = edges_of(graph)
    if ROOT not in edges:
        return
    reached, pending = {ROOT}, [ROOT]
    while pending:
        for _, target in edges[pending.pop()]:
            if target not in reached:
                reached.add(target)
                pending.append(target)
    for name in edges:
        if name not in reached:
            yield graph.finding(
                "warning",
                "UMB-K122",
                ("spec", "nodes", name),
                f"no step that starts at 'root' leads to node {name!r}",
                f"remove it, or add a step with 'nodeName: {name}'",
            )
