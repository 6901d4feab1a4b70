"""One annotation's text as YAML, with the line of everything in it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any

from umbel.graph.findings import Finding, Place, Severity
from umbel.graph.yaml_paths import Path, path_text
from umbel.graph.yaml_source import Document, read_documents
from umbel.k8s.resources.field_check import closest, shape_of
from umbel.k8s.resources.graph_rules import Graph


@dataclass(frozen=True)
class Annotation:
    """``data`` is what the text means. Mistakes go to ``findings``."""

    graph: Graph
    name: str
    data: Any
    document: Document | None
    first_line: int
    findings: list[Finding]

    def place(self, path: Path) -> Place:
        """Where ``path`` inside the annotation stands in the file."""
        whole = ("metadata", "annotations", self.name)
        place = self.graph.place(*whole)
        line = place.line
        if self.document is not None and path:
            line = self.first_line + self.document.place(path).line - 1
        return replace(place, line=line, path=path_text((*whole, *path)))

    def find(
        self, code: str, path: Path, message: str, fix: str, severity: Severity = "error"
    ) -> None:
        """Report a mistake at ``path``."""
        self.findings.append(
            Finding(severity, code, message, self.place(path), fix, self.graph.subject)
        )

    def wrong(self, path: Path, expected: str, value: object, fix: str) -> None:
        """Report a value of the wrong kind or out of range."""
        where = path_text(path) or self.name
        self.find("UMB-K604", path, f"{where}: expected {expected}, got {shape_of(value)}", fix)

    def mapping(self, path: Path, value: object, expected: str, fix: str) -> dict[str, Any]:
        """``value`` if it is a mapping, else nothing and a finding."""
        if isinstance(value, dict):
            return value
        self.wrong(path, expected, value, fix)
        return {}

    def known_keys(self, path: Path, value: dict[str, Any], known: Iterable[str]) -> None:
        """Report every key that means nothing."""
        names = list(known)
        for key in value:
            if key not in names:
                guess = closest(key, names)
                self.find(
                    "UMB-K603",
                    (*path, key),
                    f"{path_text(path) or self.name}: there is no {key!r}, only "
                    + ", ".join(names),
                    f"did you mean {guess!r}?" if guess else "remove it",
                )


def read_annotation(
    graph: Graph, name: str, text: str, findings: list[Finding]
) -> Annotation | None:
    """The annotation, or nothing and a finding if its text cannot be read."""
    place = graph.place("metadata", "annotations", name)
    block = 1 if "\n" in text else 0
    first_line = place.line + block
    documents, problems = read_documents(text, place.file)
    annotation = Annotation(
        graph,
        name,
        documents[0].data if documents else None,
        documents[0] if documents else None,
        first_line,
        findings,
    )
    for problem in problems:
        inner = min(max(problem.place.line, 1), max(len(text.splitlines()), 1))
        spot = replace(annotation.place(()), line=first_line + inner - 1)
        message = f"the text of {name} cannot be read: {problem.message}"
        findings.append(Finding("error", "UMB-K601", message, spot, problem.fix, graph.subject))
    if not problems and len(documents) != 1:
        annotation.find(
            "UMB-K601",
            (),
            f"the text of {name} is " + ("empty" if not documents else "more than one document"),
            "remove the annotation" if not documents else "remove the line '---'",
        )
    return annotation if len(documents) == 1 and not problems else None
