"""An iris classifier by the nearest centre, for tests that serve a file."""

import asyncio

import numpy as np

from umbel import Tensor, inference_graph, predictor, transformer

CENTRES = np.array([[5.0, 3.4, 1.5, 0.2], [5.9, 2.8, 4.3, 1.3], [6.6, 3.0, 5.6, 2.0]])


@transformer
def centimetres(x: Tensor["batch", 4]) -> Tensor["batch", 4]:
    return x / 10


@predictor
def nearest(x: Tensor["batch", 4]) -> Tensor["int64", "batch"]:
    return np.linalg.norm(x[:, None] - CENTRES, axis=2).argmin(axis=1)


@inference_graph
def iris(millimetres):
    return nearest(centimetres(millimetres))


@inference_graph
def species(centimetres):
    return nearest(centimetres)


@transformer
async def pause(x: Tensor["batch", 4]) -> Tensor["batch", 4]:
    await asyncio.sleep(5)
    return x


@inference_graph
def late(centimetres):
    return nearest(pause(centimetres))
