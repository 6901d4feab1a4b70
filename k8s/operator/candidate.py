"""A revision, or a variant of one, on its way to an application."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from umbel.k8s.operator.compiling import Compiled
from umbel.k8s.operator.containers import RevisionContainers
from umbel.k8s.operator.world import Raw, ServeApplication


@dataclass
class Candidate:
    """One revision or variant on its way to an application."""

    name: str
    content: Raw
    compiled: Compiled
    config: Mapping[str, Any] | None
    """The application without route; what is deployed already, where it no longer compiles."""

    app: ServeApplication | None = field(default=None)
    """As it is with its containers."""

    containers: RevisionContainers = field(default_factory=RevisionContainers)

    @property
    def runs(self) -> bool:
        """True once the application answers."""
        return self.app is not None and self.app.runs
