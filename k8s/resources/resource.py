"""A resource together with the place it was declared at."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

from umbel.graph.findings import Finding, Place, Severity
from umbel.graph.yaml_paths import Path, PathPart, parse_path
from umbel.graph.yaml_source import Document
from umbel.k8s.resources.declared import Declared

SpecT_co = TypeVar("SpecT_co", bound=Declared, covariant=True)

DEFAULT_NAMESPACE = "default"


@dataclass(frozen=True)
class Move:
    """A conversion put at ``new`` what the file has at ``old``."""

    new: Path
    old: Path


@dataclass(frozen=True)
class Resource(Generic[SpecT_co]):
    """One resource of today's API version.

    ``spec`` is the typed form, ``data`` the whole resource as plain data; both are without the
    fields that a finding was made about. ``namespace`` is empty for cluster-wide kinds.
    ``broken`` are the paths an error was found at while reading.
    """

    kind: str
    name: str
    namespace: str
    spec: SpecT_co
    data: Mapping[str, Any] = field(repr=False)
    document: Document = field(repr=False)
    moves: tuple[Move, ...] = field(default=(), repr=False)
    broken: tuple[Path, ...] = field(default=(), repr=False)

    @property
    def annotations(self) -> Mapping[str, str]:
        """``metadata.annotations``."""
        return self._metadata("annotations")

    @property
    def labels(self) -> Mapping[str, str]:
        """``metadata.labels``."""
        return self._metadata("labels")

    @property
    def subject(self) -> str:
        """How findings call the resource: ``InferenceGraph triage``."""
        return f"{self.kind} {self.name}"

    def place(self, *path: PathPart | str) -> Place:
        """Where a field stands in the file, also if a conversion moved it.

        Takes one text (``spec.nodes.root``) or the keys and indexes one by one.
        """
        parts = self._parts(path)
        best = max(
            (move for move in self.moves if parts[: len(move.new)] == move.new),
            key=lambda move: len(move.new),
            default=None,
        )
        if best is not None:
            parts = (*best.old, *parts[len(best.new) :])
        return self.document.place(parts)

    def finding(self, severity: Severity, code: str, path: Path, message: str, fix: str) -> Finding:
        """A finding about the field at ``path``."""
        return Finding(severity, code, message, self.place(*path), fix, self.subject)

    def is_broken(self, path: Path) -> bool:
        """True where an error was already found at or above ``path`` or right below it."""
        return any(
            path[: len(spot)] == spot or (len(spot) == len(path) + 1 and spot[:-1] == path)
            for spot in self.broken
        )

    def _metadata(self, key: str) -> Mapping[str, str]:
        found: Mapping[str, str] = self.data.get("metadata", {}).get(key) or {}
        return found

    @staticmethod
    def _parts(path: tuple[PathPart, ...]) -> Path:
        if len(path) == 1 and isinstance(path[0], str):
            return parse_path(path[0])
        return path
