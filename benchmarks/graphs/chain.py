"""Chains of 1, 2, 4 and 8 light nodes; the last is a scikit-learn model."""

import numpy as np

from umbel import Tensor, inference_graph, predictor, transformer

EXAMPLE = [[5.1, 3.5, 1.4, 0.2]]


@transformer
class Light:
    """x * w + b on four columns: what a scaler does."""

    def __init__(self, number: int) -> None:
        sign = 1 if number % 2 == 0 else -1
        self.w = np.array([1.01, 0.99, 1.02, 0.98]) ** sign
        self.b = np.array([0.01, -0.01, 0.02, -0.02]) * sign

    def transform(self, x: Tensor["batch", 4]) -> Tensor["batch", 4]:
        return x * self.w + self.b


iris = predictor("sklearn", uri="../models/iris.skops")


@inference_graph(example=EXAMPLE)
def chain_1(x):
    return iris(x)


@inference_graph(example=EXAMPLE)
def chain_2(x):
    return iris(Light(0)(x))


@inference_graph(example=EXAMPLE)
def chain_4(x):
    for number in range(3):
        x = Light(number)(x)
    return iris(x)


@inference_graph(example=EXAMPLE)
def chain_8(x):
    for number in range(7):
        x = Light(number)(x)
    return iris(x)
