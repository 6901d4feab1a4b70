"""Handwritten digits: a quick model answers what it is sure of, a network helps with the rest."""

import numpy as np

from umbel import Tensor, ensemble, inference_graph, otherwise, predictor, switch, transformer, when


@transformer
def scale(pixels: Tensor["batch", 64]) -> Tensor["float32", "batch", 64]:
    return (pixels / 16).astype(np.float32)


linear = predictor("sklearn", uri="models/linear.skops", settings={"method": "predict_proba"})
network = predictor("pytorch", uri="models/network.pt2")


@transformer
def certainty(probabilities: Tensor["batch", 10]) -> Tensor["batch"]:
    return probabilities.max(axis=1)


@transformer
def digit(probabilities: Tensor["batch", 10]) -> Tensor["int64", "batch"]:
    return probabilities.argmax(axis=1)


EXAMPLE = [[0, 0, 5, 13, 9, 1, 0, 0, 0, 0, 13, 15, 10, 15, 5, 0, 0, 3, 15, 2, 0, 11, 8, 0, 0, 4,
            12, 0, 0, 8, 8, 0, 0, 5, 8, 0, 0, 9, 8, 0, 0, 4, 11, 0, 1, 12, 7, 0, 0, 2, 14, 5, 10,
            12, 0, 0, 0, 0, 6, 13, 10, 0, 0, 0]]  # fmt: skip


@inference_graph(example=EXAMPLE)
def digits(pixels):
    """The digit in each 8x8 image of 64 grey values from 0 to 16."""
    scaled = scale(pixels)
    quick = linear(scaled)
    both = ensemble(quick=quick, network=network(scaled), combine="mean")
    return switch(
        when(certainty(quick) > 0.9, digit(quick), name="sure"),
        otherwise(digit(both)),
    )
