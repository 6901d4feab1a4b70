"""Two light nodes on one MiB of float32, in and out."""

import numpy as np

from umbel import Tensor, inference_graph, transformer


@transformer
def gain(x: Tensor["float32", 512, 512]) -> Tensor["float32", 512, 512]:
    return x * np.float32(1.01)


@transformer
def offset(x: Tensor["float32", 512, 512]) -> Tensor["float32", 512, 512]:
    return x + np.float32(0.5)


@inference_graph
def tensor(x):
    return offset(gain(x))
