"""The workloads as someone would compose them by hand, for servers without graphs.

Where a step needs no server of its own (the certainty of a cascade, the label of an image), it
has none: that favours the peers.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from peers import steps
from peers.steps import Step

Call = Callable[[str, Any], Awaitable[Any]]
"""Calls the node of a name, wherever it lives."""


def _numbers(instances: Any) -> Any:
    return np.asarray(instances, np.float64)


@dataclass(frozen=True)
class Pipeline:
    """``nodes``: name → loader. ``direct`` runs all of it in one process, without awaiting;
    ``compose`` calls each node through its first argument. ``read`` makes the input of the
    JSON list of instances."""

    nodes: Mapping[str, Callable[[], Step]]
    direct: Callable[[Mapping[str, Step], Any], Any]
    compose: Callable[[Call, Any], Awaitable[Any]]
    read: Callable[[Any], Any] = _numbers

    def loaded(self) -> Step:
        """The whole pipeline as one function."""
        nodes = {name: load() for name, load in self.nodes.items()}
        return lambda x: self.direct(nodes, x)


def _chain(names: list[str], loaders: list[Callable[[], Step]], **more: Any) -> Pipeline:
    def direct(nodes: Mapping[str, Step], x: Any) -> Any:
        for name in names:
            x = nodes[name](x)
        return x

    async def compose(call: Call, x: Any) -> Any:
        for name in names:
            x = await call(name, x)
        return x

    return Pipeline(dict(zip(names, loaders, strict=True)), direct, compose, **more)


def _light_chain(length: int) -> Pipeline:
    lights = range(length - 1)
    names = [*(f"light_{n}" for n in lights), "iris"]
    return _chain(names, [*(partial(steps.light, n) for n in lights), steps.iris])


def _wide(width: int) -> Pipeline:
    names = [f"light_{n}" for n in range(width)]

    def direct(nodes: Mapping[str, Step], x: Any) -> Any:
        return np.mean([nodes[name](x) for name in names], axis=0)

    async def compose(call: Call, x: Any) -> Any:
        return np.mean(await asyncio.gather(*(call(name, x) for name in names)), axis=0)

    loaders = [partial(steps.light, n) for n in range(width)]
    return Pipeline(dict(zip(names, loaders, strict=True)), direct, compose)


def _cascade_direct(nodes: Mapping[str, Step], pixels: Any) -> Any:
    quick = nodes["linear"](pixels)
    if bool((quick.max(axis=1) > 0.9).all()):
        return quick.argmax(axis=1)
    return ((quick + nodes["network"](pixels)) / 2).argmax(axis=1)


async def _cascade(call: Call, pixels: Any) -> Any:
    quick = await call("linear", pixels)
    if bool((quick.max(axis=1) > 0.9).all()):
        return quick.argmax(axis=1)
    return ((quick + await call("network", pixels)) / 2).argmax(axis=1)


PIPELINES: dict[str, Pipeline] = {
    **{f"chain-{n}": _light_chain(n) for n in (1, 2, 4, 8)},
    "wide-10": _wide(10),
    "image": _chain(["prepare", "classify"], [steps.prepare, steps.classify], read=list),
    "cascade": Pipeline(
        {"linear": steps.linear, "network": steps.network}, _cascade_direct, _cascade
    ),
    "tensor": _chain(["gain", "offset"], [steps.gain, steps.offset]),
    "mlp": _chain(["mlp"], [steps.mlp]),
}
