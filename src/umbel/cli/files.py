"""FILE arguments → one program: Python files and KServe YAML, several at once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
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
        ``besides``, and ``DeclarationError`` if there is nothing to serve."""
        if has_errors([finding for finding in self.findings if finding.code != besides]):
            raise CheckFailed(self.findings)
        if not self.program.served:
            raise DeclarationError(
                "nothing to serve: expected an InferenceService, an InferenceGraph or an"
                " @inference_graph that is not stopped, and found none in these files"
            )
        return self


def load(files: Sequence[str], services: Mapping[str, str] | None = None) -> Loaded:
    """Read and check all files. ``services``: URLs of what umbel does not start itself, by name.
    Raises only where a file cannot be read at all."""
    definitions: list[GraphDefinition] = []
    yaml_files: list[str] = []
    for file in (one for named in files for one in _expanded(named)):
        if _is_yaml(file):
            yaml_files.append(file)
        elif ".py" in file:
            definitions += graphs_in(PythonFile.parse(file))
        else:
            raise DeclarationError(
                f"{file}: a FILE is path.py, path.py:name, path.yaml, path.json or a folder of YAML"
            )
    findings: list[Finding] = []
    graphs: dict[GraphName, Graph] = {}
    served: list[GraphName] = []
    for definition in definitions:
        _add(definition, graphs, served, findings)
    beside: dict[GraphName, Graph] = {}
    if yaml_files:
        beside = _add_yaml(yaml_files, services or {}, graphs, served, findings)
    program = infer(Program(graphs, tuple(served)))
    findings += check(infer(Program(graphs | beside, tuple(served))) if beside else program)
    findings.sort(key=lambda finding: (finding.place.file, finding.place.line))
    return Loaded(program, tuple(findings))


def _expanded(file: str) -> list[str]:
    """The YAML files right in a folder, as ``kubectl apply -f FOLDER`` takes them; else itself."""
    if not Path(file).is_dir():
        return [file]
    inside = [str(path) for path in sorted(Path(file).iterdir()) if _is_yaml(str(path))]
    if not inside:
        raise DeclarationError(f"{file}: expected .yaml, .yml or .json files in this folder")
    return inside


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
    services: Mapping[str, str],
    graphs: dict[GraphName, Graph],
    served: list[GraphName],
    findings: list[Finding],
) -> dict[GraphName, Graph]:
    """Adds what can be served; gives the graphs that only need to be checked, because an error
    elsewhere forbids serving."""
    from umbel.k8s.translate import translate
    from umbel.k8s.translate.containers import ContainerAddresses

    texts = []
    for file in files:
        try:
            texts.append((file, Path(file).read_text(encoding="utf-8")))
        except (OSError, UnicodeDecodeError) as error:
            raise DeclarationError(f"{file}: cannot be read: {error}") from error
    translated = translate(texts, ContainerAddresses(services))
    findings += translated.findings
    for name, graph in translated.program.graphs.items():
        if name in graphs:
            findings.append(_duplicate(graph, graphs[name]))
        else:
            graphs[name] = graph
    served += [name for name in translated.program.served if name not in served]
    return {n: graph for n, graph in translated.sound.graphs.items() if n not in graphs}
