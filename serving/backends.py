"""The seam between the engine and where nodes run."""

from __future__ import annotations

from typing import Protocol

from umbel.graph.ir import Graph, Node
from umbel.nodes.loaded import Handle


class Backend(Protocol):
    """Gives the engine a handle for every node. Local and Ray differ in nothing else."""

    def handle(self, graph: Graph, node: Node) -> Handle:
        """How to call ``node`` of ``graph``."""
