"""Nodes that tell where they run, for the tests of placement."""

from __future__ import annotations

import os
import time
from typing import Any

from umbel import Placement, Pool, Scale, inference_graph, transformer


def where() -> dict[str, Any]:
    """The machine's label, the process, and the GPUs it may use."""
    import ray

    context = ray.get_runtime_context()
    labels = context.get_node_labels()
    gpus = os.environ.get("CUDA_VISIBLE_DEVICES", "")
    return {"machine": labels.get("m", ""), "process": os.getpid(), "gpus": gpus}


def told(name: str, **options: Any) -> Any:
    return transformer(name=name, **options)(lambda x: where())


ONE = Placement(labels={"m": "one"})
half_a, half_b = (told(name, gpus=0.5, placement=ONE) for name in ("half_a", "half_b"))
whole = told("whole", gpus=1, placement=ONE)
light = told("light")


@inference_graph
def shares(x):
    return {"a": half_a(x), "b": half_b(x), "whole": whole(x), "light": light(x)}


detect = told("detect", gpus=0.5, placement=Placement(together="vision", pool="gpus"))
classify = told("classify", gpus=0.5, placement=Placement(together="vision", pool="gpus"))
left, right = (told(name, placement=Placement(apart="pair")) for name in ("left", "right"))


@inference_graph
def near_and_far(x):
    return {
        "detect": detect(x),
        "classify": classify(x),
        "left": left(x),
        "right": right(x),
        "two": told("two", placement=Placement(pool=Pool("second", {"m": "two"})))(x),
    }


@transformer(scale=Scale(min=2), placement=Placement(per_machine=1))
def spread(x):
    time.sleep(0.05)
    return where()


@inference_graph
def spreads(x):
    return spread(x)


@transformer(gpus=1, scale=Scale(min=0, max=1, target=1))
def elastic(x):
    return where()


@inference_graph
def comes_and_goes(x):
    return elastic(x)
