"""Kubernetes quantities: pools files have them too, so they are read in ``umbel.graph``."""

from __future__ import annotations

from umbel.graph.quantities import amount

__all__ = ["amount"]
