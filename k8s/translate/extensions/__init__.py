"""umbel's extensions to InferenceGraphs: annotations under ``umbel.dev/``, off unless given.

``read_extensions`` reads the annotations of one graph and checks every name in them; what it
gives is plain data, which the translation of the graph turns into steps.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from umbel.graph.findings import Finding
from umbel.k8s.resources.field_check import closest
from umbel.k8s.resources.graph_rules import Graph
from umbel.k8s.translate.extensions.annotation import Annotation, read_annotation
from umbel.k8s.translate.extensions.bodies import read_inputs, read_output
from umbel.k8s.translate.extensions.edges import read_edges
from umbel.k8s.translate.extensions.extension import (
    Edge,
    Extensions,
    Reporting,
    StepExtension,
    Template,
)
from umbel.k8s.translate.extensions.headers import read_headers
from umbel.k8s.translate.extensions.mirrors import read_mirrors
from umbel.k8s.translate.extensions.replies import read_reporting
from umbel.k8s.translate.extensions.retries import read_retries

__all__ = [
    "Edge",
    "Extensions",
    "Reporting",
    "StepExtension",
    "Template",
    "read_extensions",
    "settled",
]

PREFIX = "umbel.dev/"
OUTPUT = "umbel.dev/output"

READERS: dict[str, Callable[[Annotation, Extensions], None]] = {
    "umbel.dev/propagate-headers": read_headers,
    "umbel.dev/mirror": read_mirrors,
    "umbel.dev/retries": read_retries,
    "umbel.dev/inputs": read_inputs,
    "umbel.dev/edges": read_edges,
    OUTPUT: read_output,
    "umbel.dev/intermediate-outputs": read_reporting,
}
"""Annotation → what reads it, in the order in which they are read: the later ones ask which
steps are mirrors."""

OTHER_ANNOTATIONS = ("umbel.dev/service-urls",)
"""Annotations of graphs that are read elsewhere."""


def read_extensions(graph: Graph) -> tuple[Extensions, list[Finding]]:
    """What a graph's annotations ask for, and everything that is wrong with them."""
    extensions, findings = Extensions(), list[Finding]()
    given = {name: text for name, text in graph.annotations.items() if name.startswith(PREFIX)}
    for known, reader in READERS.items():
        for name, text in given.items():
            if name == known or (known == OUTPUT and name.startswith(f"{OUTPUT}.")):
                annotation = read_annotation(graph, name, text, findings)
                if annotation is not None:
                    reader(annotation, extensions)
    findings += [_unknown(graph, name) for name in given if not _is_known(name)]
    return extensions, sorted(findings, key=lambda one: one.place.line)


def settled(finding: Finding, graph: Graph, extensions: Extensions) -> bool:
    """True for a finding about KServe's rules that an annotation makes pointless: a mirror in
    a Switch needs no condition, one in a Sequence may have one, and a gRPC address is fine."""
    if finding.code not in ("UMB-K120", "UMB-K121", "UMB-K131"):
        return False
    for (node, index), step in extensions.steps.items():
        place = graph.place("spec", "nodes", node, "steps", index)
        spot = finding.place
        same = (spot.file, spot.document) == (place.file, place.document)
        if same and (spot.path == place.path or spot.path.startswith(f"{place.path}.")):
            if finding.code == "UMB-K131":
                return step.edge is not None and step.edge.protocol == "grpc-v2"
            return step.mirror is not None
    return False


def _is_known(name: str) -> bool:
    return name in READERS or name in OTHER_ANNOTATIONS or name.startswith(f"{OUTPUT}.")


def _unknown(graph: Graph, name: str) -> Finding:
    known: tuple[Any, ...] = (*READERS, *OTHER_ANNOTATIONS)
    guess = closest(name, known)
    return graph.finding(
        "warning",
        "UMB-K610",
        ("metadata", "annotations", name),
        f"the annotation {name!r} means nothing on an InferenceGraph; there are: "
        + ", ".join(known),
        f"did you mean {guess!r}?" if guess else "remove it",
    )
