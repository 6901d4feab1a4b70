"""Checks everything that was loaded: KServe's own rules, and what it would let fail later."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from umbel.graph.findings import Finding
from umbel.k8s.resources.field_check import closest
from umbel.k8s.resources.graph_rules import Graph, graph_findings, step_text
from umbel.k8s.resources.graph_structure import structure_findings
from umbel.k8s.resources.graph_warnings import ConditionProblems, warning_findings
from umbel.k8s.resources.loading import Loaded
from umbel.k8s.resources.model_rules import model_findings, trained_model_findings
from umbel.k8s.resources.runtime_rules import runtime_findings, shared_priorities
from umbel.k8s.resources.runtimes import Runtime, available_runtimes
from umbel.k8s.resources.service_rules import service_findings


def validate(
    loaded: Loaded,
    *,
    condition_problems: ConditionProblems = lambda condition: [],
    runtimes: Sequence[Runtime] | None = None,
) -> tuple[Finding, ...]:
    """Every finding about what was loaded, in the order of the files; not ``loaded.findings``.

    Errors are what KServe refuses or what can never work; warnings what KServe runs though it
    looks like a mistake. ``condition_problems`` says what is odd about a gjson condition.
    ``runtimes`` replaces the built-in serving runtimes and those in the files.
    """
    known = available_runtimes(loaded.runtimes) if runtimes is None else runtimes
    found = [*_duplicates(loaded), *shared_priorities(loaded.runtimes)]
    for service in loaded.inference_services:
        found += [*service_findings(service), *model_findings(service, known)]
    for graph in loaded.inference_graphs:
        found += [*graph_findings(graph), *structure_findings(graph)]
        found += [*warning_findings(graph, condition_problems), *_services(graph, loaded)]
    for runtime in loaded.runtimes:
        found += runtime_findings(runtime)
    for model in loaded.trained_models:
        found += trained_model_findings(model, loaded.inference_services)
    files = {one.document.file: number for number, one in enumerate(reversed(loaded.resources))}
    return tuple(
        sorted(found, key=lambda one: (-files.get(one.place.file, 0), one.place.line, one.code))
    )


def _duplicates(loaded: Loaded) -> Iterator[Finding]:
    first = {}
    for one in loaded.resources:
        key = (one.kind, one.namespace, one.name)
        if not one.name:
            continue
        if key not in first:
            first[key] = one
            continue
        where = f" in namespace {one.namespace!r}" if one.namespace else ""
        yield one.finding(
            "error",
            "UMB-K020",
            ("metadata", "name"),
            f"there is already {one.kind} {one.name!r}{where}, at "
            f"{first[key].place('metadata', 'name')}; a cluster would keep only the last",
            "rename or remove one of them",
        )


def _services(graph: Graph, loaded: Loaded) -> Iterator[Finding]:
    known = {one.name for one in loaded.inference_services if one.namespace == graph.namespace}
    elsewhere = {one.name: one.namespace for one in loaded.inference_services}
    graphs = {one.name for one in loaded.inference_graphs}
    for name, node in graph.spec.nodes.items():
        for index, step in enumerate(node.steps):
            wanted = step.service_name
            if not wanted or wanted in known or step.service_url:
                continue
            guess = closest(wanted, known)
            fix = f"did you mean {guess!r}?" if guess else "add its file, or check the name"
            why = "is not among these resources: it must already be running"
            if wanted in elsewhere:
                why = (
                    f"is in namespace {elsewhere[wanted]!r}, the graph in {graph.namespace!r}; "
                    "graphs find services of their own namespace only"
                )
                fix = "use serviceUrl, or put both into one namespace"
            elif wanted in graphs:
                why = "is an InferenceGraph: umbel calls it, a cluster finds services only"
                fix = "to run it on a cluster too, use serviceUrl with the graph's address"
            yield graph.finding(
                "warning",
                "UMB-K129",
                ("spec", "nodes", name, "steps", index, "serviceName"),
                f"the service {wanted!r} of {step_text(step, index)} in node {name!r} {why}",
                fix,
            )
