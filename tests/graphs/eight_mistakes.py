"""Eight mistakes of eight kinds, each on a line that ends in ``# mistake``."""

from __future__ import annotations

from umbel import (
    Scale,
    Tensor,
    inference_graph,
    predictor,
    splitter,
    switch,
    transformer,
    when,
)

Four = Tensor["batch", 4]
Three = Tensor["batch", 3]


@transformer
def narrowed(x: Four) -> Three:
    return x[:, :3]


@predictor
def scored(x: Four, limit: float) -> Tensor["batch"]:  # noqa: UP037
    return x.sum(axis=1)


@transformer(scale=Scale(min=2, max=1))  # mistake
def scaled(x: Four) -> Four:
    return x


model = predictor("sklearn", uri="nowhere.skops")  # mistake


@inference_graph
def first(x):
    thin = narrowed(x)
    fitted = model(thin)
    chosen = switch(when(fitted > 1, scaled(x)))  # mistake
    rated = scored(chosen, 0.5, fitted)  # mistake
    return rated, scored(thin, 0.5)  # mistake


@inference_graph
def second(x, unused):  # the parameter is a mistake too: reported where the graph is declared
    if scaled(x) > 1:  # mistake
        return x
    return splitter(a=(50, x), b=(49, x))


@inference_graph(name="v2")  # mistake
def third(x):
    return splitter(a=(50, x), b=(49, scaled(x)))  # mistake
