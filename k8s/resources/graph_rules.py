"""The rules of KServe's InferenceGraph webhook, each an error."""

from __future__ import annotations

from collections.abc import Iterator

from umbel.graph.findings import Finding
from umbel.k8s.resources.field_check import closest
from umbel.k8s.resources.inference_graph import ROOT, GraphNode, GraphStep, InferenceGraphSpec
from umbel.k8s.resources.names import name_findings
from umbel.k8s.resources.resource import Resource

Graph = Resource[InferenceGraphSpec]


def graph_findings(graph: Graph) -> Iterator[Finding]:
    """Everything the webhook would refuse; it stops at the first, this does not."""
    yield from name_findings(graph, "UMB-K101")
    yield from _root(graph)
    for name, node in graph.spec.nodes.items():
        yield from _step_names(graph, name, node)
        for index, step in enumerate(node.steps):
            yield from _targets(graph, name, index, step)
        if node.router_type == "Splitter":
            yield from _weights(graph, name, node)


def step_text(step: GraphStep, index: int) -> str:
    """How messages call a step: its name if it has one, and its number."""
    return f"step {index} ({step.name!r})" if step.name else f"step {index}"


def _root(graph: Graph) -> Iterator[Finding]:
    nodes = graph.spec.nodes
    if ROOT in nodes or graph.is_broken(("spec", "nodes")):
        return
    guess = closest(ROOT, nodes) or (next(iter(nodes)) if len(nodes) == 1 else "")
    listed = ", ".join(nodes) or "none"
    yield graph.finding(
        "error",
        "UMB-K102",
        ("spec", "nodes"),
        f"a graph starts at its node 'root', which is not there; the nodes are: {listed}",
        f"rename the node {guess!r} to 'root'" if guess else "name the first node 'root'",
    )


def _step_names(graph: Graph, name: str, node: GraphNode) -> Iterator[Finding]:
    first: dict[str, int] = {}
    for index, step in enumerate(node.steps):
        if step.name and step.name in first:
            yield graph.finding(
                "error",
                "UMB-K103",
                ("spec", "nodes", name, "steps", index, "name"),
                f"node {name!r} has two steps named {step.name!r} "
                f"(steps {first[step.name]} and {index})",
                f"rename one of them, say to '{step.name}-{index}'",
            )
        elif step.name:
            first[step.name] = index


def _targets(graph: Graph, name: str, index: int, step: GraphStep) -> Iterator[Finding]:
    path = ("spec", "nodes", name, "steps", index)
    if len(step.targets) == 1 or graph.is_broken(path):
        return
    where = f"{step_text(step, index)} of node {name!r}"
    if not step.targets:
        yield graph.finding(
            "error",
            "UMB-K104",
            path,
            f"{where} has no target",
            "give it one of nodeName, serviceName or serviceUrl",
        )
        return
    given = " and ".join(f"{field} {value!r}" for field, value in step.targets)
    yield graph.finding(
        "error",
        "UMB-K105",
        path,
        f"{where} has {len(step.targets)} targets: {given}",
        "keep one of nodeName, serviceName and serviceUrl",
    )


def _weights(graph: Graph, name: str, node: GraphNode) -> Iterator[Finding]:
    path = ("spec", "nodes", name, "steps")
    broken = False
    for index, step in enumerate(node.steps):
        if step.weight is None and graph.is_broken((*path, index, "weight")):
            broken = True
        elif step.weight is None:
            broken = True
            target = step.targets[0][1] if step.targets else "nothing"
            yield graph.finding(
                "error",
                "UMB-K106",
                (*path, index),
                f"{step_text(step, index)} (to {target!r}) of the Splitter {name!r} has no weight",
                "add 'weight:', the percentage of requests it gets",
            )
    total = sum(step.weight or 0 for step in node.steps)
    if node.steps and not broken and total != 100:
        weights = " + ".join(str(step.weight) for step in node.steps)
        yield graph.finding(
            "error",
            "UMB-K107",
            path,
            f"the weights of the Splitter {name!r} must sum to 100; got {weights} = {total}",
            "change the weights so that they sum to 100",
        )
