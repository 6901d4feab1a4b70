"""The results as Markdown: goals, a table for each workload, what was not measured."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from harness.books import Books
from harness.goals import outcomes

DISTURBED = 0.05
SMOKE = (
    "**A smoke test (`--quick`): windows of less than a second, so these figures say only that "
    "everything starts and answers.**"
)


def markdown(data: Mapping[str, Any]) -> str:
    """The page. ``data``: what `results.json` holds."""
    books = Books(data)
    parts = ["# Benchmark results", _machine(data["machine"])]
    if data["quick"]:
        parts.append(SMOKE)
    warning = _disturbed(books)
    if warning:
        parts.append(warning)
    parts += ["## Goals", table(_goal_rows(books))]
    for workload in books.workloads():
        parts += [f"## {workload}", table(_closed_rows(books, workload))]
        if books.levels(workload, "open"):
            parts += [_OPEN, table(_open_rows(books, workload))]
    parts += ["## One more node", _NODE, table(_node_rows(books))]
    parts += ["## Start", table(_start_rows(books))]
    complaints = {(m["workload"], m["server"]): m["complaint"] for m in data["measurements"]}
    told = [(*who, text) for who, text in complaints.items() if text]
    if told:
        parts += ["## First errors", "\n".join(f"- {w}, {s}: {t!r}" for w, s, t in told)]
    if data["missing"]:
        parts += ["## Not measured", "\n".join(_missing(item) for item in data["missing"])]
    return "\n\n".join(parts) + "\n"


_OPEN = "Open loop, arrivals by chance: p50 / p99 in ms at that many requests a second."
_NODE = "What one more light node adds to the median latency of one client."


def table(rows: Iterable[Iterable[str]]) -> str:
    """A Markdown table; the first row is its head, and only its first column is text."""
    head, *body = [[*row] for row in rows]
    lines = [head, ["---", *("---:" for _ in head[1:])], *body]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _machine(machine: Mapping[str, str]) -> str:
    return ", ".join(f"{name} {value}" for name, value in machine.items())


def _disturbed(books: Books) -> str:
    bad = [m for m in books.data["measurements"] if m["disturbed"] > DISTURBED]
    if not bad:
        return ""
    share = len(bad) / len(books.data["measurements"])
    return (
        f"**The machine was not ours alone: in {share:.0%} of the windows other processes took "
        f"more than {DISTURBED:.0%} of it. Do not rely on these figures.**"
    )


def _goal_rows(books: Books) -> Iterator[list[str]]:
    yield ["goal", "bound", "measured", "over the rounds", ""]
    for outcome in outcomes(books):
        got = "not measured" if outcome.got is None else f"{outcome.got:.2f}"
        verdict = "" if outcome.got is None else "reached" if outcome.reached else "**missed**"
        yield [outcome.what, outcome.goal, got, outcome.spread, verdict]


def _closed_rows(books: Books, workload: str) -> Iterator[list[str]]:
    levels = books.levels(workload, "closed")
    figures = [f"c={c:g} {what}" for c in levels for what in ("rps", "p50", "p95", "p99")]
    yield ["server", *figures, "CPU ms/request", "MiB", "processes", "errors"]
    for server in books.servers(workload):
        keys = [(workload, server, "closed", level) for level in levels]
        row = [server]
        for key in keys:
            row += [_number(books.median(key, what)) for what in ("rps", "p50", "p95", "p99")]
        row.append(_number(books.median(keys[-1], "cpu_ms_per_request")))
        row += [_number(books.worst(keys[-1], what)) for what in ("pss_mb", "processes")]
        yield [*row, str(sum(books.errors(key) for key in keys))]


def _open_rows(books: Books, workload: str) -> Iterator[list[str]]:
    levels = books.levels(workload, "open")
    yield ["server", *(f"{level:g}/s" for level in levels)]
    for server in books.servers(workload):
        yield [server, *(_open_cell(books, (workload, server, "open", r)) for r in levels)]


def _open_cell(books: Books, key: tuple[str, str, str, float]) -> str:
    if books.median(key, "p50") is None:
        return ""
    if not books.kept_up(key):
        return "overrun"
    return f"{_number(books.median(key, 'p50'))} / {_number(books.median(key, 'p99'))}"


def _node_rows(books: Books) -> Iterator[list[str]]:
    yield ["server", "µs"]
    names = dict.fromkeys(name for w in books.workloads() for name in books.servers(w))
    for server in names:
        slope = books.cost_of_a_node(server)
        if slope is not None:
            yield [server, f"{slope * 1000:.0f}"]


def _start_rows(books: Books) -> Iterator[list[str]]:
    yield ["workload and server", "seconds to the first answer", "MiB after warm-up", "processes"]
    figures = ("seconds_to_first_answer", "pss_mb", "processes")
    for workload in books.workloads():
        for server in books.servers(workload):
            row = [_number(books.start(workload, server, figure)) for figure in figures]
            yield [f"{workload}, {server}", *row]


def _missing(item: Mapping[str, str]) -> str:
    return f"- {item['workload']}, {item['server']}: {item['why'].splitlines()[0]}"


def _number(value: float | None) -> str:
    if value is None:
        return ""
    if value == 0:  # nobody was answered
        return "–"
    return f"{value:.0f}" if value >= 100 else f"{value:.3g}"
