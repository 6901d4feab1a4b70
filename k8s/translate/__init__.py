"""KServe's resources → umbel's graphs. Pure: files in, a program and findings out.

An InferenceGraph becomes a graph of messages, one more for each of its nodes; an
InferenceService becomes a graph of its components. A graph that names a service of the same
files calls it without HTTP.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from umbel.graph import conditions
from umbel.graph.findings import Finding, has_errors
from umbel.graph.ir import Graph, Program
from umbel.graph.steps import GraphName
from umbel.k8s.resources import Loaded, load, validate
from umbel.k8s.translate.extensions import Extensions, read_extensions, settled
from umbel.k8s.translate.inference_graphs import translate_graph
from umbel.k8s.translate.inference_services import translate_service
from umbel.k8s.translate.names import Names, is_stopped
from umbel.k8s.translate.router_config import router_headers
from umbel.k8s.translate.trained_models import misplaced, trained_models_of, translate_pool


@dataclass(frozen=True)
class Translated:
    """The graphs of some files. Empty where an error forbids serving them."""

    program: Program
    findings: tuple[Finding, ...]


def translate(texts: Sequence[tuple[str, str]]) -> Translated:
    """Read ``(file, text)`` pairs and translate what they declare. Never raises."""
    loaded = load(texts)
    findings = [*loaded.findings, *validate(loaded, condition_problems=conditions.problems)]
    extensions = []
    for graph in loaded.inference_graphs:
        read, problems = read_extensions(graph)
        findings = [one for one in findings if not settled(one, graph, read)] + problems
        extensions.append(read)
    if has_errors(findings):
        return Translated(Program({}, ()), tuple(findings))
    graphs, served = _graphs(loaded, extensions, findings)
    return Translated(Program(graphs, served), tuple(findings))


def _graphs(
    loaded: Loaded, extensions: Sequence[Extensions], findings: list[Finding]
) -> tuple[dict[GraphName, Graph], tuple[GraphName, ...]]:
    names = Names(loaded)
    headers, problems = router_headers(loaded)
    findings += problems
    graphs: dict[GraphName, Graph] = {}
    served: list[GraphName] = []
    for service in loaded.inference_services:
        if is_stopped(service):
            continue
        models = trained_models_of(service, loaded)
        if models:
            made, problems = translate_pool(service, names, models)
        else:
            made, problems = translate_service(service, names, loaded)
            problems = [*problems, *misplaced(service, loaded)]
        graphs.update({graph.name: graph for graph in made})
        served.append(made[0].name)
        findings += problems
    for resource, asked in zip(loaded.inference_graphs, extensions, strict=True):
        if is_stopped(resource):
            continue
        made = translate_graph(resource, names, headers, asked)
        graphs.update({graph.name: graph for graph in made})
        served.append(made[0].name)
    return graphs, tuple(served)
