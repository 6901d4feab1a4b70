"""Fifteen generated graphs in one, and one by hand with its nodes near and apart."""

from __future__ import annotations

import sys
from pathlib import Path
from random import Random

sys.path.append(str(Path(__file__).parents[1] / "support"))

from generated_graphs import Vector, declare, random_recipe
from umbel import (
    ensemble,
    inference_graph,
    otherwise,
    predictor,
    switch,
    transformer,
    when,
)
from umbel.graph.errors import InvalidInput

Pair = tuple[Vector, Vector]

RECIPES = [random_recipe(Random(seed), most=9, breaks=False) for seed in range(15)]
GRAPHS = [declare(recipe, f"generated_{seed}") for seed, recipe in enumerate(RECIPES)]


@inference_graph
def together(x: Vector, y: Vector):
    return {graph.name: graph(x, y) for graph in GRAPHS}


class Offset:
    def __init__(self, amount: int) -> None:
        self.amount = amount

    async def predict(self, x: Vector) -> Vector:
        return x + self.amount


def divided(x: Vector) -> Pair:
    return x // 3, x % 3


def strict(x: Vector) -> Vector:
    if x.sum() == 13:
        raise RuntimeError("a secret of the node")
    if x.sum() == 14:
        raise InvalidInput("x: expected a sum other than 14")
    return x


near = (
    transformer(name="divided")(divided),
    predictor(name="offset")(Offset)(1000),
    transformer(name="strict")(strict),
)
apart = (
    transformer(name="divided", fuse="never")(divided),
    predictor(name="offset", fuse="never")(Offset)(1000),
    transformer(name="strict", fuse="never")(strict),
)


def mixed(nodes, x):
    split, shift, check = nodes
    quotient, rest = split(check(x))
    small = switch(when(rest.sum() > 2, shift(quotient)), otherwise(rest))
    return {"mean": ensemble(a=shift(x), b=small, combine="mean"), "rest": rest}


@inference_graph
def fused(x: Vector):
    return mixed(near, x)


@inference_graph
def split(x: Vector):
    return mixed(apart, x)
