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
from umbel.k8s.resources import Loaded, Resource, load, validate
from umbel.k8s.resources.declared import Declared
from umbel.k8s.translate.containers import NOWHERE, ContainerAddresses
from umbel.k8s.translate.extensions import Extensions, read_extensions, settled
from umbel.k8s.translate.inference_graphs import translate_graph
from umbel.k8s.translate.inference_services import translate_service
from umbel.k8s.translate.names import Names, is_stopped
from umbel.k8s.translate.router_config import router_headers
from umbel.k8s.translate.trained_models import misplaced, trained_models_of, translate_pool


@dataclass(frozen=True)
class Translated:
    """The graphs of some files. ``program`` is empty where an error forbids serving them.

    ``sound`` are then the graphs of those services that no error is about, to be checked
    further, so that a mistake in one resource hides none in another; else ``program`` itself.
    """

    program: Program
    findings: tuple[Finding, ...]
    sound: Program


def translate(
    texts: Sequence[tuple[str, str]], addresses: ContainerAddresses = NOWHERE
) -> Translated:
    """Read ``(file, text)`` pairs and translate what they declare. ``addresses``: where the
    components that run as containers answer. Never raises."""
    loaded = load(texts)
    findings = [*loaded.findings, *validate(loaded, condition_problems=conditions.problems)]
    extensions = []
    for graph in loaded.inference_graphs:
        read, problems = read_extensions(graph)
        findings = [one for one in findings if not settled(one, graph, read)] + problems
        extensions.append(read)
    forbidden = has_errors(findings)
    graphs, served = _graphs(loaded, extensions, findings, addresses)
    program = Program(graphs, served)
    return Translated(Program({}, ()) if forbidden else program, tuple(findings), program)


def _graphs(
    loaded: Loaded,
    extensions: Sequence[Extensions],
    findings: list[Finding],
    addresses: ContainerAddresses,
) -> tuple[dict[GraphName, Graph], tuple[GraphName, ...]]:
    names = Names(loaded, addresses.given)
    headers, problems = router_headers(loaded)
    broken = {_document(one) for one in findings if one.severity == "error"}
    findings += problems
    graphs: dict[GraphName, Graph] = {}
    served: list[GraphName] = []
    for service in loaded.inference_services:
        if _declared_in(service) in broken or is_stopped(service):
            continue
        models = trained_models_of(service, loaded)
        if not broken.isdisjoint(map(_declared_in, models)):
            continue
        if models:
            made, problems = translate_pool(service, names, models)
        else:
            made, problems = translate_service(service, names, loaded, addresses)
            problems = [*problems, *misplaced(service, loaded)]
        graphs.update({graph.name: graph for graph in made})
        served.append(made[0].name)
        findings += problems
    for resource, asked in zip(loaded.inference_graphs, extensions, strict=True):
        if is_stopped(resource) or broken:
            continue
        made = translate_graph(resource, names, headers, asked)
        graphs.update({graph.name: graph for graph in made})
        served.append(made[0].name)
    return graphs, tuple(served)


def _document(finding: Finding) -> tuple[str, int]:
    return finding.place.file, finding.place.document


def _declared_in(resource: Resource[Declared]) -> tuple[str, int]:
    return resource.document.file, resource.document.index
