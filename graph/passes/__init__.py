"""The planner: named pure passes from plan to plan, in order, each re-checked after it ran."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from umbel.graph.checks import check
from umbel.graph.errors import CheckFailed
from umbel.graph.findings import Finding
from umbel.graph.ir import Program
from umbel.graph.passes.batch import batch
from umbel.graph.passes.fuse import fuse
from umbel.graph.passes.keep import keep
from umbel.graph.passes.merge import merge
from umbel.graph.passes.place import place
from umbel.graph.passes.prune import prune
from umbel.graph.passes.scale import scale
from umbel.graph.placement import Pool
from umbel.graph.plan import Plan

Pass = Callable[[Plan], Plan]

PASSES: tuple[tuple[str, Pass], ...] = (
    ("prune", prune),
    ("merge", merge),
    ("fuse", fuse),
    ("place", place),
    ("keep", keep),
    ("batch", batch),
    ("scale", scale),
)
"""In the order in which they run."""


def plan(program: Program, pools: Mapping[str, Pool] | None = None) -> Plan:
    """The plan of a checked program on machines of ``pools``. Raises ``CheckFailed`` if a pass
    broke it, which is a fault of the pass."""
    current = Plan(program, pools=pools or {})
    known = set(_errors(program))
    for _, one in PASSES:
        current = one(current)
        broken = [finding for finding in _errors(current.program) if finding not in known]
        if broken:
            raise CheckFailed(broken)
    return current


def _errors(program: Program) -> list[Finding]:
    return [finding for finding in check(program) if finding.severity == "error"]
