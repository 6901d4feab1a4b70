"""What of a plan contradicts its pools: unknown ones, labels that exclude each other, limits."""

from __future__ import annotations

from collections.abc import Iterator

from umbel.graph.findings import Finding, Severity
from umbel.graph.placement import Labels, Pool
from umbel.graph.plan import Plan
from umbel.graph.reservations import Reservation, reservations


def pool_findings(plan: Plan, *, unknown: Severity = "error") -> list[Finding]:
    """All of them. ``unknown``: how grave it is that nobody knows a pool; where no pools file is
    given, only the cluster's operator may know it."""
    asked = list(reservations(plan))
    return [
        *_unknown(plan, asked, unknown),
        *(finding for one in asked for finding in _contradictions(plan, one)),
        *_limits(asked),
    ]


def _unknown(plan: Plan, asked: list[Reservation], severity: Severity) -> Iterator[Finding]:
    for one in asked:
        if one.placement.pool and not isinstance(one.placement.pool, Pool):
            there = ", ".join(sorted(plan.pools)) or "none"
            yield Finding(
                severity,
                "UMB-G260",
                f"runs in pool {one.placement.pool!r}; the known pools are: {there}",
                one.place,
                "give the file that declares it: --pools pools.yaml",
                one.name,
            )


def _contradictions(plan: Plan, one: Reservation) -> Iterator[Finding]:
    pool = one.placement.pool
    if not isinstance(pool, Pool):
        return
    clashes = [
        f"label {key}={value}, the pool has {pool.labels[key]}"
        for key, value in one.placement.labels.items()
        if key in pool.labels and _exclude(value, pool.labels, key)
    ]
    accelerator = one.resources.accelerator
    if pool.accelerator and accelerator != pool.accelerator:
        clashes.append(f"accelerator {accelerator}, the pool has {pool.accelerator}")
    for clash in clashes:
        yield Finding(
            "error",
            "UMB-G262",
            f"is placed on pool {pool.name!r} and asks for {clash}",
            one.place,
            "choose another pool, or drop what contradicts it",
            one.name,
        )


def _exclude(value: str, labels: Labels, key: str) -> bool:
    plain = not labels[key].startswith(("!", "in(")) and not value.startswith(("!", "in("))
    return plain and labels[key] != value


def _limits(asked: list[Reservation]) -> Iterator[Finding]:
    pools: dict[str, tuple[Pool, list[Reservation]]] = {}
    for one in asked:
        if isinstance(one.placement.pool, Pool):
            pool = one.placement.pool
            pools.setdefault(pool.name, (pool, []))[1].append(one)
    for pool, members in pools.values():
        yield from _of_pool(pool, members)


def _of_pool(pool: Pool, members: list[Reservation]) -> Iterator[Finding]:
    limits = pool.limits
    who, last = ", ".join(one.name for one in members), members[-1]
    for what, limit, key in (
        ("GPUs", limits.gpus, "GPU"),
        ("CPUs", limits.cpus, "CPU"),
        ("bytes of memory", limits.memory, "memory"),
        ("replicas", limits.replicas, ""),
    ):
        if limit is None:
            continue
        each = [one.amounts.get(key, 0) if key else 1 for one in members]
        least = sum(a * max(one.least, 1) for a, one in zip(each, members, strict=True))
        most = sum(a * max(one.most, 1) for a, one in zip(each, members, strict=True))
        words = f"pool {pool.name!r} allows {limit:g} {what}; {who} take"
        if least > limit + 1e-6:
            fix = "lower what the nodes ask for, or raise the pool's limit"
            yield Finding("error", "UMB-G261", f"{words} {least:g}", last.place, fix, last.name)
        elif most > limit + 1e-6:
            fix = "lower Scale(max=...), or raise the pool's limit"
            told = f"{words} {most:g} at their largest"
            yield Finding("warning", "UMB-G261", told, last.place, fix, last.name)
