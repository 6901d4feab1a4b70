"""Handwritten digits: a linear model answers what it is sure of, a network helps otherwise."""

import numpy as np

from umbel import Tensor, ensemble, inference_graph, otherwise, predictor, switch, transformer, when


@transformer
def scale(pixels: Tensor["batch", 64]) -> Tensor["float32", "batch", 64]:
    return (pixels / 16).astype(np.float32)


linear = predictor("sklearn", uri="../models/digits.skops", settings={"method": "predict_proba"})
network = predictor("pytorch", uri="../models/digits.pt2")


@transformer
def certainty(probabilities: Tensor["batch", 10]) -> Tensor["batch"]:
    return probabilities.max(axis=1)


@transformer
def digit(probabilities: Tensor["batch", 10]) -> Tensor["int64", "batch"]:
    return probabilities.argmax(axis=1)


@inference_graph(example=[[0.0] * 64])
def cascade(pixels):
    scaled = scale(pixels)
    quick = linear(scaled)
    both = ensemble(quick=quick, network=network(scaled), combine="mean")
    return switch(when(certainty(quick) > 0.9, digit(quick)), otherwise(digit(both)))
