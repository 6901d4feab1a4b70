"""FILE arguments → one program: Python files and KServe YAML, several at once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from umbel.graph.checks import check
from umbel.graph.errors import CheckFailed, DeclarationError
from umbel.graph.findings import Finding, has_errors
from umbel.graph.graph_definitions import GraphDefinition
from umbel.graph.inference import infer
from umbel.graph.ir import Graph, Program
from umbel.graph.source import PythonFile, graphs_in
from umbel.graph.steps import GraphName


@dataclass(frozen=True)
class Loaded:
    """A program with everything found while reading and checking it."""

    program: Program
    findings: tuple[Finding, ...]

    def or_raise(self, besides: str = "") -> Loaded:
        """Itself. Raises ``CheckFailed`` if a finding is an error, of another code than
        ``besides``."""
        if has_errors([finding for finding in self.findings if finding.code != besides]):
            raise CheckFailed(self.findings)
        return self


def load(files: Sequence[str]) -> Loaded:
    """Read and check all files. Raises only where a file cannot be read at all."""
    definitions: list[GraphDefinition] = []
    yaml_files: list[str] = []
    for file in files:
        if _is_yaml(file):
            yaml_files.append(file)
        elif ".py" in file:
            definitions += graphs_in(PythonFile.parse(file))
        else:
            raise DeclarationError(f"{file}: a FILE is path.py, path.py:name, or path.yaml")
    findings: list[Finding] = []
    graphs: dict[GraphName, Graph] = {}
    served: list[GraphName] = []
    for definition in definitions:
        _add(definition, graphs, served, findings)
    if yaml_files:
        _add_yaml(yaml_files, graphs, served, findings)
    program = infer(Program(graphs, tuple(served)))
    findings += check(program)
    findings.sort(key=lambda finding: (finding.place.file, finding.place.line))
    return Loaded(program, tuple(findings))


def _is_yaml(file: str) -> bool:
    return Path(file).suffix in (".yaml", ".yml", ".json")


def _add(
    definition: GraphDefinition,
    graphs: dict[GraphName, Graph],
    served: list[GraphName],
    findings: list[Finding],
) -> None:
    for one in definition.definitions():
        graph = one.graph()
        known = graphs.get(graph.name)
        if known is graph:
            continue
        findings += one.findings
        if known is not None:
            findings.append(_duplicate(graph, known))
            continue
        graphs[graph.name] = graph
    if GraphName(definition.name) not in served:
        served.append(GraphName(definition.name))


def _duplicate(graph: Graph, known: Graph) -> Finding:
    return Finding(
        "error",
        "UMB-G202",
        f"two graphs are called {graph.name!r}: the other is at {known.place}",
        graph.place,
        'give one of them another name: @inference_graph(name="...")',
        graph.name,
    )


def _add_yaml(
    files: list[str],
    graphs: dict[GraphName, Graph],
    served: list[GraphName],
    findings: list[Finding],
) -> None:
    from umbel.k8s.translate import translate

    texts = []
    for file in files:
        try:
            texts.append((file, Path(file).read_text()))
        except (OSError, UnicodeDecodeError) as error:
            raise DeclarationError(f"{file}: cannot be read: {error}") from error
    translated = translate(texts)
    findings += translated.findings
    for name, graph in translated.program.graphs.items():
        if name in graphs:
            findings.append(_duplicate(graph, graphs[name]))
        else:
            graphs[name] = graph
    served += [name for name in translated.program.served if name not in served]
