"""No two modules import each other, and next to no import hides from that rule.

A cycle can be hidden in functions or under ``if TYPE_CHECKING``: such imports are counted."""

from __future__ import annotations

import graphlib

import source_tree

MOST_LATE = 0.05
"""Share of imports of our own modules that may be late: what loads late on purpose (a verb's
serving code, a replica's). More of them usually hides a cycle."""


def edges() -> dict[str, set[str]]:
    """Module → what it imports when it is imported."""
    known = source_tree.module_names()
    return {
        module.name: {
            found.target
            for found in source_tree.imports(module)
            if found.target in known and not found.late and found.target != module.name
        }
        for module in source_tree.modules()
    }


def test_no_cycle() -> None:
    cycle: list[str] = []
    try:
        graphlib.TopologicalSorter(edges()).prepare()
    except graphlib.CycleError as error:
        cycle = error.args[1]
    assert not cycle, "import cycle: " + " -> ".join(cycle)


def test_few_imports_are_late() -> None:
    ours = [
        (module.place, found)
        for module in source_tree.modules()
        for found in source_tree.imports(module)
        if found.target.partition(".")[0] == source_tree.PACKAGE
    ]
    late = [(place, found) for place, found in ours if found.late]
    share = len(late) / len(ours)
    listing = "\n".join(f"{place}:{found.line} {found.target}" for place, found in late)
    assert share <= MOST_LATE, f"{len(late)} of {len(ours)} ({share:.0%}):\n{listing}"
