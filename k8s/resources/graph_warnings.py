"""What KServe accepts and runs in a graph, but was probably not meant."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from urllib.parse import urlsplit

from umbel.graph.findings import Finding
from umbel.graph.yaml_paths import Path
from umbel.k8s.resources.graph_rules import Graph, step_text
from umbel.k8s.resources.inference_graph import GraphNode, GraphStep

ConditionProblems = Callable[[str], list[str]]
"""What is odd about a condition's text, one sentence each."""

_EVALUATES_CONDITIONS = ("Sequence", "Switch")


def warning_findings(graph: Graph, condition_problems: ConditionProblems) -> Iterator[Finding]:
    """All warnings about single steps."""
    for name, node in graph.spec.nodes.items():
        for index, step in enumerate(node.steps):
            path: Path = ("spec", "nodes", name, "steps", index)
            where = f"{step_text(step, index)} of the {node.router_type} {name!r}"
            yield from _condition(graph, node, index, step, path, where)
            yield from _data(graph, node, index, step, path, where)
            yield from _weight(graph, node, step, path, where)
            yield from _naming(graph, node, step, path, where)
            yield from _url(graph, step, path, where)
            if step.condition and node.router_type in _EVALUATES_CONDITIONS:
                for problem in condition_problems(step.condition):
                    yield graph.finding(
                        "warning",
                        "UMB-K130",
                        (*path, "condition"),
                        f"the condition of {where}: {problem}",
                        "see the conditions guide; '@this' is always true",
                    )


def _condition(
    graph: Graph, node: GraphNode, index: int, step: GraphStep, path: Path, where: str
) -> Iterator[Finding]:
    if node.router_type == "Switch" and not step.condition:
        if not graph.is_broken((*path, "condition")):
            yield graph.finding(
                "warning",
                "UMB-K120",
                path,
                f"{where} has no condition, so it is never taken",
                "add a condition; for an else branch put 'condition: \"@this\"' on the last step",
            )
    elif node.router_type == "Sequence" and step.condition and index == 0:
        yield graph.finding(
            "warning",
            "UMB-K121",
            (*path, "condition"),
            f"{where} has a condition, but conditions look at the previous step's response and "
            "the first step has none: every request fails with status 500",
            "remove the condition, or make this node a Switch, which looks at the request",
        )
    elif node.router_type in ("Splitter", "Ensemble") and step.condition:
        yield _no_effect(graph, path, where, "condition")


def _data(
    graph: Graph, node: GraphNode, index: int, step: GraphStep, path: Path, where: str
) -> Iterator[Finding]:
    if not step.data:
        return
    if step.data not in ("$request", "$response"):
        yield graph.finding(
            "warning",
            "UMB-K125",
            (*path, "data"),
            f"{where} has data {step.data!r}, which is neither $request nor $response: the step "
            "gets the node's input",
            "write $response for the previous step's reply"
            + ("; parts of it cannot be selected" if step.data.startswith("$response.") else ""),
        )
    elif step.data == "$response" and (node.router_type != "Sequence" or index == 0):
        yield _no_effect(
            graph,
            path,
            where,
            "data",
            "there is no previous step, it gets the node's input"
            if node.router_type == "Sequence"
            else "every step gets the node's input",
        )


def _weight(
    graph: Graph, node: GraphNode, step: GraphStep, path: Path, where: str
) -> Iterator[Finding]:
    if step.weight is None:
        return
    if node.router_type != "Splitter":
        yield graph.finding(
            "warning",
            "UMB-K128",
            (*path, "weight"),
            f"{where} has a weight, which only a Splitter looks at",
            "remove it, or make the node a Splitter",
        )
    elif step.weight < 0:
        yield graph.finding(
            "warning",
            "UMB-K127",
            (*path, "weight"),
            f"{where} has the negative weight {step.weight}, so it is never taken and the steps "
            "after it get less than their weight says",
            "use weights from 0 to 100",
        )


def _naming(
    graph: Graph, node: GraphNode, step: GraphStep, path: Path, where: str
) -> Iterator[Finding]:
    unnamed = not step.name and not graph.is_broken((*path, "name"))
    if node.router_type == "Ensemble" and unnamed:
        yield graph.finding(
            "warning",
            "UMB-K124",
            path,
            f"{where} has no name, so its result stands under its number in the reply",
            "add 'name:'",
        )
    if node.router_type in ("Switch", "Splitter") and step.dependency == "Hard":
        yield graph.finding(
            "warning",
            "UMB-K123",
            (*path, "dependency"),
            f"{where} is Hard, which changes nothing: its reply is passed on in any case",
            "remove it; Hard matters in a Sequence and an Ensemble",
        )


def _url(graph: Graph, step: GraphStep, path: Path, where: str) -> Iterator[Finding]:
    if not step.service_url:
        return
    problem = url_problem(step.service_url)
    if problem:
        yield graph.finding(
            "warning",
            "UMB-K131",
            (*path, "serviceUrl"),
            f"{where} calls {step.service_url!r}: {problem}; every request fails with status 500",
            "write a whole URL, as http://name.namespace.example.com/path",
        )


def url_problem(url: str) -> str:
    """Why an HTTP client cannot call ``url``; nothing if it can."""
    try:
        parts = urlsplit(url)
        port_ok = parts.port is None or parts.port > 0
    except ValueError as error:
        return str(error)
    if parts.scheme not in ("http", "https"):
        return "it does not start with http:// or https://"
    if not parts.hostname or not port_ok:
        return "it has no host"
    if re.search(r"[{}\s<>$\"]", parts.netloc):
        return f"{parts.netloc!r} is not a host name"
    return ""


def _no_effect(graph: Graph, path: Path, where: str, field: str, why: str = "") -> Finding:
    return graph.finding(
        "warning",
        "UMB-K126",
        (*path, field),
        f"{field} has no effect on {where}" + (f": {why}" if why else ""),
        "remove it",
    )
