"""What an evaluation may cost before it gives up, which counts as no match.

gjson has no such limits: they keep a hostile document or path from taking the process down,
and lie far beyond what a condition needs.
"""

from __future__ import annotations

MAX_DEPTH = 150
"""Nested components of a path, and nested blocks where a modifier looks into all of them."""

MAX_GROWTH = 16 * 2**20
"""Bytes that a modifier or multipath may make on top of eight times the document's."""

MAX_STEPS = 1_000_000
"""Evaluations of a path (or of the rest of one on an item), on top of one for each byte."""


class GaveUp(Exception):
    """A limit was reached. Never leaves the package."""
