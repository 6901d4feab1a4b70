"""Random graphs over integer vectors, and what they give when worked out by hand.

A ``Recipe`` is data. ``declare`` turns it into an inference graph, ``by_hand`` evaluates it in
plain Python without anything of umbel. Values are int64 vectors of one length, so equality is
exact; every node is deterministic.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass
from random import Random
from typing import Any, TypedDict

import numpy as np

from umbel import Tensor, ensemble, inference_graph, otherwise, splitter, switch, transformer, when
from umbel.graph.graph_definitions import GraphDefinition

Vector = Tensor["int64", "n"]
Floats = Tensor["n"]
Matrix = Tensor["int64", "n", "k"]
PRIME = 1_000_003


class Halves(TypedDict):
    low: Vector
    high: Vector


def affine_by_hand(x: Any, a: int, b: int) -> Any:
    return (x * a + b) % PRIME


@transformer
def plus(x: Vector, y: Vector) -> Vector:
    return (x + y) % PRIME


@transformer
async def times(x: Vector, y: Vector) -> Vector:
    await asyncio.sleep(0.001)
    return x * y % PRIME


@transformer
def divided(x: Vector) -> tuple[Vector, Vector]:
    return x // 7, x % 7


@transformer
async def halves(x: Vector) -> Halves:
    return {"low": x // 2, "high": x - x // 2}


@transformer
def floored(x: Floats) -> Vector:
    return np.floor(x).astype(np.int64)


@transformer
def row_sums(x: Matrix) -> Vector:
    return x.sum(axis=1) % PRIME


@transformer
def is_even(x: Vector) -> bool:
    return bool(x.sum() % 2 == 0)


@transformer
def weighed(branches: dict) -> Vector:
    return sum((i + 1) * value for i, value in enumerate(branches.values())) % PRIME


@transformer
class Affine:
    """One node for each pair of numbers, quick, slow or asynchronous by the first."""

    def __init__(self, a: int, b: int) -> None:
        self.a, self.b = a, b

    def transform(self, x: Vector) -> Vector:
        if self.a % 3 == 0:
            time.sleep(0.002)
        return affine_by_hand(x, self.a, self.b)


@transformer
class AffineLater:
    def __init__(self, a: int, b: int) -> None:
        self.a, self.b = a, b

    async def transform(self, x: Vector) -> Vector:
        await asyncio.sleep(0.001 * (self.a % 4))
        return affine_by_hand(x, self.a, self.b)


@transformer(name="broken")
def broken(x: Vector) -> Vector:
    raise ZeroDivisionError("a secret of the node")


class Broken(Exception):
    """What ``by_hand`` raises where the graph's node does."""


@dataclass(frozen=True)
class Step:
    """``kind`` is a row of ``KINDS``; ``reads`` are indices of earlier values; ``numbers`` and
    ``inner`` are what the kind makes of them."""

    kind: str
    reads: tuple[int, ...]
    numbers: tuple[int, ...] = ()
    inner: Recipe | None = None


@dataclass(frozen=True)
class Recipe:
    """Two inputs are the values 0 and 1; each step adds one or two."""

    steps: tuple[Step, ...]
    outputs: tuple[int, ...]
    names: tuple[str, ...] = ()
    """Of the outputs, for a graph that returns a dict."""


def random_recipe(random: Random, *, most: int = 12, depth: int = 2, breaks: bool = True) -> Recipe:
    """A recipe of up to ``most`` steps, with nested graphs down to ``depth``."""
    steps: list[Step] = []
    count = 2
    for _ in range(random.randint(1, most)):
        kinds = [k for k in KINDS if (k != "nested" or depth) and (k != "broken" or breaks)]
        kind = random.choice(kinds)
        if kind == "broken" and random.random() < 0.7:
            kind = "affine"
        reads = tuple(random.randrange(count) for _ in range(KINDS[kind].reads))
        numbers = tuple(random.randint(0, 50) for _ in range(2))
        inner = None
        if kind == "nested":
            inner = random_recipe(random, most=4, depth=depth - 1, breaks=breaks)
        steps.append(Step(kind, reads, numbers, inner))
        count += len(inner.outputs) if inner else KINDS[kind].gives
    wanted = random.randint(1, 3)
    outputs = tuple(random.randrange(max(0, count - 4), count) for _ in range(wanted))
    names = tuple("abc"[:wanted]) if random.random() < 0.4 else ()
    return Recipe(tuple(steps), outputs, names)


# --- As a graph -----------------------------------------------------------------------------


def declare(recipe: Recipe, name: str) -> GraphDefinition:
    """The recipe as an inference graph of ``x`` and ``y``."""

    def function(x: Vector, y: Vector) -> Any:
        values = [x, y]
        for number, step in enumerate(recipe.steps):
            given = [values[i] for i in step.reads]
            values += KINDS[step.kind].trace(step, given, f"{name}_{number}")
        return _returned(recipe, [values[i] for i in recipe.outputs])

    definition: GraphDefinition = inference_graph(name=name)(function)
    return definition


def _returned(recipe: Recipe, values: list[Any]) -> Any:
    if recipe.names:
        return dict(zip(recipe.names, values, strict=True))
    return values[0] if len(values) == 1 else tuple(values)


def _nested(step: Step, given: list[Any], name: str) -> list[Any]:
    assert step.inner is not None
    value = declare(step.inner, name)(*given)
    if step.inner.names:
        return [value[key] for key in step.inner.names]
    several = len(step.inner.outputs)
    return [value] if several == 1 else [value[i] for i in range(several)]


# --- By hand --------------------------------------------------------------------------------


def by_hand(recipe: Recipe, x: Any, y: Any) -> Any:
    """What the graph must give, worked out on demand. Raises ``Broken``."""
    thunks: list[Callable[[], Any]] = [lambda: x, lambda: y]
    for step in recipe.steps:
        given = [thunks[i] for i in step.reads]
        made = KINDS[step.kind].thunk
        count = len(step.inner.outputs) if step.inner else KINDS[step.kind].gives
        thunks += [
            _once(lambda s=step, g=given, p=part, m=made: m(s, g, p)) for part in range(count)
        ]
    return _returned_by_hand(recipe, [thunks[i]() for i in recipe.outputs])


def _returned_by_hand(recipe: Recipe, values: list[Any]) -> Any:
    names = recipe.names or tuple(f"output_{i}" for i in range(len(values)))
    if len(values) == 1 and not recipe.names:
        return values[0]
    return dict(zip(names, values, strict=True))


def _once(thunk: Callable[[], Any]) -> Callable[[], Any]:
    kept: list[Any] = []

    def run() -> Any:
        if not kept:
            kept.append(thunk())
        return kept[0]

    return run


def _nested_by_hand(step: Step, given: list[Any], part: int) -> Any:
    assert step.inner is not None
    result = by_hand(step.inner, *(value() for value in given))
    return list(result.values())[part] if isinstance(result, dict) else result


def _raise_broken(step: Step, given: list[Any], part: int) -> Any:
    given[0]()
    raise Broken


def _vote(values: list[Any]) -> Any:
    rows = []
    for row in zip(*values, strict=True):
        counts = [sum(1 for other in row if other == value) for value in row]
        rows.append(row[counts.index(max(counts))])
    return np.array(rows, dtype=np.int64)


@dataclass(frozen=True)
class Kind:
    """How many values a step reads and gives, its trace, and one part of it by hand."""

    reads: int
    gives: int
    trace: Callable[[Step, list[Any], str], list[Any]]
    thunk: Callable[[Step, list[Any], int], Any]


KINDS: dict[str, Kind] = {
    "affine": Kind(
        1,
        1,
        lambda s, v, n: [Affine(*s.numbers)(v[0])],
        lambda s, v, p: affine_by_hand(v[0](), *s.numbers),
    ),
    "affine later": Kind(
        1,
        1,
        lambda s, v, n: [AffineLater(*s.numbers)(v[0])],
        lambda s, v, p: affine_by_hand(v[0](), *s.numbers),
    ),
    "plus": Kind(2, 1, lambda s, v, n: [plus(*v)], lambda s, v, p: (v[0]() + v[1]()) % PRIME),
    "times": Kind(
        2, 1, lambda s, v, n: [times(y=v[1], x=v[0])], lambda s, v, p: v[0]() * v[1]() % PRIME
    ),
    "operator": Kind(
        2, 1, lambda s, v, n: [-(v[0] - 3) + v[1]], lambda s, v, p: -(v[0]() - 3) + v[1]()
    ),
    "divided": Kind(
        1,
        2,
        lambda s, v, n: list(divided(v[0])),
        lambda s, v, p: v[0]() % 7 if p else v[0]() // 7,
    ),
    "halves": Kind(
        1,
        2,
        lambda s, v, n: [halves(v[0])["low"], halves(v[0])["high"]],
        lambda s, v, p: v[0]() - v[0]() // 2 if p else v[0]() // 2,
    ),
    "switch": Kind(
        4,
        1,
        lambda s, v, n: [
            switch(
                when(v[0].sum() > s.numbers[0] * 10, v[1]),
                when(is_even(v[0]), v[2], name="even"),
                otherwise(v[3]),
            )
        ],
        lambda s, v, p: (
            v[1]()
            if v[0]().sum() > s.numbers[0] * 10
            else v[2]()
            if v[0]().sum() % 2 == 0
            else v[3]()
        ),
    ),
    "splitter": Kind(
        2,
        1,
        lambda s, v, n: [splitter(never=(0, v[0]), always=(100, v[1]))],
        lambda s, v, p: v[1](),
    ),
    "mean": Kind(
        2,
        1,
        lambda s, v, n: [floored(ensemble(one=v[0], two=v[1], combine="mean"))],
        lambda s, v, p: np.floor((v[0]() + v[1]()) / 2).astype(np.int64),
    ),
    "vote": Kind(
        3,
        1,
        lambda s, v, n: [ensemble({"1": v[0], "2": v[1], "3": v[2]}, combine="vote")],
        lambda s, v, p: _vote([v[0](), v[1](), v[2]()]),
    ),
    "concatenate": Kind(
        2,
        1,
        lambda s, v, n: [row_sums(ensemble(one=v[0], two=v[1], combine="concatenate"))],
        lambda s, v, p: (v[0]() + v[1]()) % PRIME,
    ),
    "weighed": Kind(
        2,
        1,
        lambda s, v, n: [ensemble(one=v[0], two=v[1], combine=weighed)],
        lambda s, v, p: (v[0]() + 2 * v[1]()) % PRIME,
    ),
    "named": Kind(
        2,
        1,
        lambda s, v, n: [ensemble(one=v[0], two=v[1])["two"]],
        lambda s, v, p: (v[0](), v[1]())[1],
    ),
    "nested": Kind(2, 0, _nested, _nested_by_hand),
    "broken": Kind(1, 1, lambda s, v, n: [broken(v[0])], _raise_broken),
}
