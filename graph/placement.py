"""Where nodes run: pools of machines, labels, and which nodes stay together or apart.

A *machine* is what Ray calls a node; here a node is a step's code.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

Labels = Mapping[str, str]


@dataclass(frozen=True)
class Limits:
    """The most that all nodes of a pool together may reserve, and the most replicas they may
    have. ``None``: no limit. ``memory`` in bytes."""

    gpus: float | None = None
    cpus: float | None = None
    memory: int | None = None
    replicas: int | None = None


@dataclass(frozen=True)
class Pool:
    """Machines under a name. ``labels`` are Ray's node labels that a machine of the pool has,
    each a value or a selector as in ``Placement``; ``accelerator`` is the type of its GPUs;
    ``resources`` are custom ones that every replica there takes a share of."""

    name: str
    labels: Labels = field(default_factory=dict)
    accelerator: str | None = None
    resources: Mapping[str, float] = field(default_factory=dict)
    limits: Limits = Limits()


@dataclass(frozen=True)
class Placement:
    """Where the replicas of a node may run.

    ``pool``: a name from the pools file, or a ``Pool``. ``labels``: a machine's labels, each
    with the value it must have, or ``!value``, ``in(a,b)``, ``!in(a,b)``, as in Ray.
    ``per_machine``: the most replicas of this node on one machine. ``together``: nodes of one
    graph with the same word share a replica, which reserves the sum of what they ask for.
    ``apart``: replicas of nodes with the same word are all on different machines.
    """

    pool: str | Pool = ""
    labels: Labels = field(default_factory=dict)
    per_machine: int | None = None
    together: str = ""
    apart: str = ""

    @property
    def asked(self) -> bool:
        """True if the node asked for anything, so that it needs a replica of its own."""
        return self != Placement()

    @property
    def pool_name(self) -> str:
        """The name of the pool, empty for none."""
        return self.pool.name if isinstance(self.pool, Pool) else self.pool


_SELECTOR = re.compile(r"(?P<no>!)?(?:(?P<any>in)\((?P<many>[^()]*)\)|(?P<one>[^()!,]*))")
_VALUE = re.compile(r"[A-Za-z0-9]([A-Za-z0-9._-]{0,61}[A-Za-z0-9])?")
_KEY = re.compile(r"([a-z0-9]([a-z0-9.-]*[a-z0-9])?/)?[A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?")


def label_problem(key: str, selector: str) -> str:
    """Why this is no label with its selector, empty if it is one."""
    if not _KEY.fullmatch(key):
        return f"label {key!r}: a key has letters, digits, '-', '_', '.', and one '/' at most"
    match = _SELECTOR.fullmatch(selector)
    values = [] if match is None else _values(match)
    if not values or not all(_VALUE.fullmatch(value) for value in values):
        return (
            f"label {key!r} is {selector!r}: expected value, !value, in(a,b) or !in(a,b), each "
            "value at most 63 letters, digits, '-', '_' and '.'"
        )
    return ""


def fits(labels: Labels, wanted: Labels) -> bool:
    """Whether a machine with ``labels`` has what ``wanted`` selects. As in Ray, a machine
    without the label fits a negated selector."""
    return all(_selects(selector, labels.get(key)) for key, selector in wanted.items())


def _selects(selector: str, value: str | None) -> bool:
    match = _SELECTOR.fullmatch(selector)
    if match is None:
        return False
    return (value in _values(match)) is not bool(match["no"])


def _values(match: re.Match[str]) -> list[str]:
    if match["any"]:
        return [value.strip() for value in match["many"].split(",")]
    return [match["one"]]
