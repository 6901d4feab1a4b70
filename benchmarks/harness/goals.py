"""What umbel is to reach, as ratios within one run on two cores."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from harness.books import Books, Key


@dataclass(frozen=True)
class Outcome:
    """One goal against what was measured. ``got`` None: not measured in this run."""

    what: str
    goal: str
    got: float | None
    reached: bool
    spread: str = ""


def outcomes(books: Books) -> Iterator[Outcome]:
    """All goals, in the order of the list."""
    for clients in (1.0, 32.0):
        ours, theirs = _pair("chain-4", "umbel-ray", "ray-handles", clients)
        what = f"chain of 4 against Ray Serve by handles, c={clients:g}"
        yield _at_least(books, f"{what}: requests/s", ours, theirs, 5)
        yield _at_most(books, f"{what}: p50", ours, theirs, 0.25)
    for length, factor in ((2, 3), (4, 6)):
        pair = _pair(f"chain-{length}", "umbel-ray", "kserve", 1.0)
        yield _at_least(books, f"chain of {length} against KServe in sequence, c=1", *pair, factor)
    for length in (1, 4, 8):
        what = f"chain of {length} against the hand-written process"
        pair = _pair(f"chain-{length}", "umbel-ray", "hand-written", 1.0)
        yield _at_least(books, f"{what}, c=1", *pair, 0.7)
        pair = _pair(f"chain-{length}", "umbel-ray-2", "hand-written", 32.0)
        yield _at_least(books, f"{what}, c=32, 2 replicas", *pair, 0.8)
    yield _node(books)
    for clients in (1.0, 32.0):
        pair = _pair("wide-10", "umbel-ray", "ray-handles", clients)
        what = f"ensemble of 10 against Ray Serve by handles, c={clients:g}"
        yield _at_least(books, what, *pair, 5)
    for server in ("umbel-ray", "umbel-local"):
        for clients, bound in ((32.0, 3), (1.0, 0.95)):
            pair = _pair("mlp", f"{server}-batched", server, clients)
            what = f"torch MLP batched against unbatched ({server}), c={clients:g}"
            yield _at_least(books, what, *pair, bound)
    yield _steady(books)
    yield _extra_graph(books)


def _pair(workload: str, ours: str, theirs: str, clients: float) -> tuple[Key, Key]:
    return (workload, ours, "closed", clients), (workload, theirs, "closed", clients)


def _at_least(books: Books, what: str, ours: Key, theirs: Key, bound: float) -> Outcome:
    ratio = books.ratio(ours, theirs, "rps")
    if ratio is None:
        return Outcome(what, f"≥ {bound:g} ×", None, False)
    return Outcome(what, f"≥ {bound:g} ×", ratio[0], ratio[0] >= bound, _spread(ratio))


def _at_most(books: Books, what: str, ours: Key, theirs: Key, bound: float) -> Outcome:
    ratio = books.ratio(ours, theirs, "p50")
    if ratio is None:
        return Outcome(what, f"≤ {bound:g} ×", None, False)
    return Outcome(what, f"≤ {bound:g} ×", ratio[0], ratio[0] <= bound, _spread(ratio))


def _spread(ratio: tuple[float, float, float]) -> str:
    return f"{ratio[1]:.2f} to {ratio[2]:.2f}"


def _node(books: Books) -> Outcome:
    slope = books.cost_of_a_node("umbel-ray")
    micro = None if slope is None else slope * 1000
    return Outcome("one more fused node, µs of p50", "≤ 50", micro, (micro or 51) <= 50)


def _steady(books: Books) -> Outcome:
    key = ("chain-4", "umbel-ray", "steady", 1.0)
    p50, p99 = books.median(key, "p50"), books.median(key, "p99")
    got = p99 / p50 if p50 and p99 else None
    return Outcome("p99 / p50, c=1, one long window", "≤ 4", got, got is not None and got <= 4)


def _extra_graph(books: Books) -> Outcome:
    more = books.start("two-graphs", "umbel-ray", "processes")
    base = books.start("chain-4", "umbel-ray", "processes")
    got = None if more is None or base is None else more - base
    what = "processes that one more fused graph adds"
    return Outcome(what, "≤ 1", got, got is not None and got <= 1)
