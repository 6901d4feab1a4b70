"""Ten light nodes side by side, and the mean of what they give."""

import numpy as np

from umbel import Tensor, ensemble, inference_graph, transformer


@transformer
class Light:
    """x * w + b on four columns."""

    def __init__(self, number: int) -> None:
        sign = 1 if number % 2 == 0 else -1
        self.w = np.array([1.01, 0.99, 1.02, 0.98]) ** sign
        self.b = np.array([0.01, -0.01, 0.02, -0.02]) * sign

    def transform(self, x: Tensor["batch", 4]) -> Tensor["batch", 4]:
        return x * self.w + self.b


@inference_graph(example=[[5.1, 3.5, 1.4, 0.2]])
def wide_10(x):
    return ensemble({f"light_{n}": Light(n)(x) for n in range(10)}, combine="mean")
