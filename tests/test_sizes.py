"""Files and functions stay small enough to read in one go, and the numbers are printed."""

from __future__ import annotations

import statistics
from collections.abc import Callable

import pytest

import source_tree

LONGEST_FILE = 300
LONGEST_FUNCTION = 40
"""Lines, docstring not counted."""

LONGER_FILES: dict[str, int] = {}
"""File → the length it may have. Each with its reason."""

LONGER_FUNCTIONS: dict[str, int] = {}
"""``file:name`` → the length it may have. Each with its reason."""


def all_functions() -> list[source_tree.Function]:
    return [
        function for module in source_tree.modules() for function in source_tree.functions(module)
    ]


def test_no_file_is_too_long() -> None:
    long = {module.place: module.lines for module in source_tree.modules()}
    report(long, LONGER_FILES, LONGEST_FILE)


def test_no_function_is_too_long() -> None:
    long: dict[str, int] = {}
    for function in all_functions():
        key = f"{function.module.place}:{function.name}"
        long[key] = max(function.lines, long.get(key, 0))
    report(long, LONGER_FUNCTIONS, LONGEST_FUNCTION)


def report(lengths: dict[str, int], exceptions: dict[str, int], most: int) -> None:
    """Fails for what is too long, and for an exception that nothing needs any more."""
    problems = [
        f"{place}: {lines} lines, at most {exceptions.get(place, most)}"
        for place, lines in sorted(lengths.items())
        if lines > exceptions.get(place, most)
    ]
    problems += [
        f"{place}: the exception is no longer needed, remove it"
        for place in exceptions
        if lengths.get(place, 0) <= most
    ]
    if problems:
        pytest.fail("\n".join(problems), pytrace=False)


def test_the_numbers(say_at_the_end: Callable[[str], None]) -> None:
    for row in table():
        say_at_the_end(row)


def table() -> list[str]:
    """One row a folder, with the columns that compare code bases."""
    columns = "files LoC median-file median-fn p90-fn longest-fn annotated late-imports"
    head = ("", *columns.split())
    rows = [head]
    for layer in (*source_tree.FOLDERS, "front", "all"):
        some = [m for m in source_tree.modules() if layer in {m.layer, "all"}]
        if some:
            rows.append((layer, *numbers(some)))
    widths = [max(len(row[column]) for row in rows) for column in range(len(head))]
    return [
        "  ".join(cell.rjust(width) for cell, width in zip(row, widths, strict=True))
        for row in rows
    ]


def numbers(some: list[source_tree.Module]) -> tuple[str, ...]:
    files = [module.lines for module in some]
    functions = [function for module in some for function in source_tree.functions(module)]
    lengths = sorted(function.lines for function in functions) or [0]
    ours = [
        found
        for module in some
        for found in source_tree.imports(module)
        if found.target.partition(".")[0] == source_tree.PACKAGE
    ]
    return (
        str(len(files)),
        str(sum(files)),
        f"{statistics.median(files):.0f}",
        f"{statistics.median(lengths):.0f}",
        str(lengths[int(0.9 * (len(lengths) - 1))]),
        str(lengths[-1]),
        share(sum(function.annotated for function in functions), len(functions)),
        share(sum(found.late for found in ours), len(ours)),
    )


def share(part: int, whole: int) -> str:
    return f"{part / whole:.0%}" if whole else "-"
