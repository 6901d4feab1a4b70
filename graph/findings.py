"""What a check reports: every mistake at once, each with its place and the fix."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Literal

Severity = Literal["error", "warning", "notice"]


@dataclass(frozen=True, order=True)
class Place:
    """Where something was declared, so that a finding can point at it.

    ``path`` is the position inside a document (``spec.nodes.root.steps[1]``) or the name
    of the Python function; ``document`` counts YAML documents in the file from 0.
    ``line`` counts from 1; 0 means the line is not known.
    """

    file: str = ""
    line: int = 0
    path: str = ""
    document: int = 0

    def __str__(self) -> str:
        spot = f"{self.file}:{self.line}" if self.line else self.file
        return f"{spot} {self.path}".strip() if self.path else spot


@dataclass(frozen=True)
class Finding:
    """One mistake, in words a user can act on.

    ``code`` is stable and has an entry in ``docs/findings.md`` (``UMB-...``).
    ``message`` states both what was expected and what came; ``fix`` is what to type or change.
    """

    severity: Severity
    code: str
    message: str
    place: Place
    fix: str = ""
    subject: str = ""

    def __str__(self) -> str:
        where = f"{self.place}: " if str(self.place) else ""
        name = f"{self.subject}: " if self.subject else ""
        fix = f"\n    fix: {self.fix}" if self.fix else ""
        return f"{where}{self.severity} {self.code}: {name}{self.message}{fix}"

    def as_dict(self) -> dict[str, object]:
        """The JSON form that ``umbel check --json`` prints."""
        return dataclasses.asdict(self)


def has_errors(findings: list[Finding] | tuple[Finding, ...]) -> bool:
    """True if at least one finding forbids serving."""
    return any(finding.severity == "error" for finding in findings)
