"""How the declaring side reaches the running side without importing it.

``graph.local(x)`` and a node called by hand need an engine, which lies in a higher layer.
The package's front door installs one here.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol

from umbel.graph.errors import DeclarationError
from umbel.graph.implementations import LibraryExplainer
from umbel.graph.ir import Node, Program


class LocalRunner(Protocol):
    """Runs graphs and single nodes in this process."""

    def call_graph(self, program: Program, args: dict[str, Any]) -> Any:
        """The graph's value: its single output, or a dict of outputs by name."""

    def call_node(self, node: Node, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """The node's value, from an instance that is built once and kept."""

    def save_explainer(
        self, code: LibraryExplainer, folder: Path, explained: Callable[[Any], Any] | None
    ) -> None:
        """Write what an explainer is fitted to."""


_runner: LocalRunner | None = None


def install(runner: LocalRunner) -> None:
    """Set the runner. Called once, by ``umbel/__init__.py``."""
    global _runner  # noqa: PLW0603  one process, one runner
    _runner = runner


def current() -> LocalRunner:
    """The installed runner."""
    if _runner is None:
        raise DeclarationError("nothing can run here: import umbel before umbel.graph")
    return _runner
