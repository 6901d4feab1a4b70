"""Whether a plan can run on given machines, told before anything starts.

An error is certain: no order of starting helps. A warning may come true.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from umbel.graph.findings import Finding
from umbel.graph.placement import Labels, fits
from umbel.graph.plan import Plan
from umbel.graph.pool_checks import pool_findings
from umbel.graph.reservations import Reservation, reservations

_SLACK = 1e-6


@dataclass(frozen=True)
class Machine:
    """``resources`` by Ray's names (``CPU``, ``GPU``, ``memory`` in bytes, custom ones)."""

    name: str
    resources: Mapping[str, float]
    labels: Labels = field(default_factory=dict)


def findings(plan: Plan, machines: Sequence[Machine], *, replicas: int = 1) -> list[Finding]:
    """What of the plan cannot run on ``machines``. ``replicas``: of each graph that does not
    scale by itself."""
    asked = list(reservations(plan))
    counts = {one.name: one.least if one.scale else replicas for one in asked}
    found = pool_findings(plan)
    alone = [finding for one in asked for finding in _alone(one, counts[one.name], machines)]
    if alone:
        return [*found, *alone]
    return [*found, *_all_at_once(asked, counts, machines), *_apart(asked, counts, machines)]


def _alone(asked: Reservation, count: int, machines: Sequence[Machine]) -> Iterator[Finding]:
    """Why not even one replica can be placed, or not so many on so many machines."""
    wanted = asked.amounts
    for name, amount in wanted.items():
        most = max((machine.resources.get(name, 0) for machine in machines), default=0)
        total = sum(machine.resources.get(name, 0) for machine in machines)
        if amount > total + _SLACK:
            yield _cannot("UMB-G270", asked, *_lacking(name, amount, total, machines))
        elif amount > most + _SLACK:
            yield _cannot(
                "UMB-G271",
                asked,
                f"asks for {_many(name, amount)} in one replica; the machine with the most "
                f"has {_number(name, most)}",
                "ask for less, or start a larger machine",
            )
    for key, selector in asked.placement.labels.items():
        if not any(fits(machine.labels, {key: selector}) for machine in machines):
            yield _cannot("UMB-G272", asked, *_unlabelled(key, selector, machines))
    able = [machine for machine in machines if _fits(asked, machine)]
    each_fits = all(
        any(m.resources.get(name, 0) + _SLACK >= amount for m in machines)
        for name, amount in wanted.items()
    ) and all(
        any(fits(m.labels, {k: v}) for m in machines) for k, v in asked.placement.labels.items()
    )
    if each_fits and not able:
        labels = ", ".join(f"{k}={v}" for k, v in asked.placement.labels.items()) or "no label"
        told = ", ".join(_many(name, amount) for name, amount in wanted.items())
        yield _cannot(
            "UMB-G271",
            asked,
            f"asks for {told} where {labels}: no single machine has it all",
            "ask for less, or for other labels",
        )
    yield from _spread(asked, count, len(able))


def _spread(asked: Reservation, count: int, able: int) -> Iterator[Finding]:
    """Why ``count`` replicas have no room on ``able`` machines that fit."""
    a_machine = 1 if asked.placement.apart else asked.placement.per_machine
    if able and a_machine and count > a_machine * able:
        yield _cannot(
            "UMB-G274",
            asked,
            f"has {count} replicas, at most {a_machine} on a machine, and {able} machines that fit",
            f"Scale(min={a_machine * able}), or more machines",
        )


def _all_at_once(
    asked: list[Reservation], counts: Mapping[str, int], machines: Sequence[Machine]
) -> Iterator[Finding]:
    names = {name for one in asked for name in one.amounts}
    for name in sorted(names):
        total = sum(machine.resources.get(name, 0) for machine in machines)
        takers = [one for one in asked if one.amounts.get(name)]
        least = sum(one.amounts[name] * counts[one.name] for one in takers)
        most = sum(one.amounts[name] * max(one.most, counts[one.name]) for one in takers)
        who = ", ".join(one.name for one in takers)
        last = takers[-1]
        if least > total + _SLACK:
            yield _cannot(
                "UMB-G273",
                last,
                f"all replicas together reserve {_many(name, least)} ({who}); the cluster has "
                f"{_number(name, total)}",
                "ask for less, or start more machines",
            )
        elif most > total + _SLACK:
            yield Finding(
                "warning",
                "UMB-G275",
                f"at their largest, {who} reserve {_many(name, most)}; the cluster has "
                f"{_number(name, total)}: the last replicas wait until others go",
                last.place,
                "lower Scale(max=...), or start more machines",
                last.name,
            )


def _apart(
    asked: list[Reservation], counts: Mapping[str, int], machines: Sequence[Machine]
) -> Iterator[Finding]:
    groups: dict[str, list[Reservation]] = {}
    for one in asked:
        if one.placement.apart:
            groups.setdefault(one.placement.apart, []).append(one)
    for word, group in groups.items():
        able = [m for m in machines if any(_fits(one, m) for one in group)]
        needed = sum(counts[one.name] for one in group)
        if needed > len(able):
            who = ", ".join(one.name for one in group)
            yield _cannot(
                "UMB-G274",
                group[-1],
                f"{who} stay apart as {word!r} and have {needed} replicas; {len(able)} machines "
                "fit them",
                "fewer replicas, or more machines",
            )


def _fits(asked: Reservation, machine: Machine) -> bool:
    return fits(machine.labels, asked.placement.labels) and all(
        machine.resources.get(name, 0) + _SLACK >= amount for name, amount in asked.amounts.items()
    )


def _lacking(
    name: str, amount: float, total: float, machines: Sequence[Machine]
) -> tuple[str, str]:
    kind, _, accelerator = name.partition(":")
    if kind != "accelerator_type":
        fix = {
            "GPU": "ask for fewer, or start Ray on a machine that has them "
            "(umbel run --num-gpus counts GPUs that are not there)",
            "CPU": "ask for fewer, or umbel run --num-cpus",
        }
        what = f"asks for {_many(name, amount)}, the cluster has {_number(name, total)}"
        return what, fix.get(name, "ask for less, or start Ray with more of it")
    there = sorted(
        one.partition(":")[2]
        for machine in machines
        for one in machine.resources
        if one.startswith("accelerator_type:")
    )
    have = f"the cluster has {', '.join(there)}" if there else "the cluster has none of any type"
    return f"asks for accelerator {accelerator}; {have}", "name one that is there"


def _unlabelled(key: str, selector: str, machines: Sequence[Machine]) -> tuple[str, str]:
    values: dict[str, int] = {}
    for machine in machines:
        value = machine.labels.get(key)
        if value is not None:
            values[value] = values.get(value, 0) + 1
    there = ", ".join(f"{value} ({count})" for value, count in sorted(values.items()))
    have = f"machines have {key}={there}" if there else f"no machine has a label {key}"
    fix = f"start a machine with it: ray start --labels {key}=…, or umbel run --label {key}=…"
    return f"runs where {key}={selector}; {have}", fix


def _many(name: str, amount: float) -> str:
    if name == "memory":
        return f"{amount / 2**30:.2f} GiB of memory"
    plural = "s" if name in ("GPU", "CPU") and amount != 1 else ""
    return f"{amount:g} {name}{plural}"


def _number(name: str, amount: float) -> str:
    return f"{amount / 2**30:.2f} GiB" if name == "memory" else f"{amount:g}"


def _cannot(code: str, asked: Reservation, message: str, fix: str) -> Finding:
    return Finding("error", code, message, asked.place, fix, asked.name)
