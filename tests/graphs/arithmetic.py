"""Small sound graphs: a chain, a branch, and one that says which modules are loaded."""

from __future__ import annotations

import sys
import time

from umbel import Tensor, ensemble, inference_graph, otherwise, switch, transformer, when

Numbers = Tensor["n"]


@transformer
def double(x: Numbers) -> Numbers:
    return 2 * x


@transformer
async def less_one(x: Numbers) -> Numbers:
    return x - 1


@transformer
def slowly(seconds: float) -> float:
    time.sleep(seconds)
    return seconds


@transformer
def loaded(name: str) -> bool:
    return name in sys.modules


@transformer
def fails(x: Numbers) -> Numbers:
    raise RuntimeError("a secret of the node")


@inference_graph(example=[1, 2])
def chain(x):
    """Twice a number, less one."""
    return less_one(double(x))


@inference_graph
def branch(x):
    small = switch(when(x < 10, double(x), name="small"), otherwise(fails(x)))
    return ensemble(small=small, less=less_one(x), combine="mean")


@inference_graph
def is_loaded(name: str):
    return loaded(name)


@inference_graph
def wait(seconds: float):
    return slowly(seconds)
