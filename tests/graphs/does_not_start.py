"""Of two graphs one has a node whose set-up fails."""

import os
from pathlib import Path

from umbel import inference_graph, predictor, transformer


@predictor
class Sound:
    def __init__(self) -> None:
        Path(os.environ["UMBEL_TEST_FOLDER"], "opened").touch()

    def predict(self, x):
        return x

    def close(self) -> None:
        Path(os.environ["UMBEL_TEST_FOLDER"], "closed").touch()


@predictor
class Broken:
    def __init__(self, weights: str) -> None:
        raise FileNotFoundError(f"no weights at {weights}")

    def predict(self, x):
        return x


@transformer
def same(x):
    return x


@inference_graph
def sound(x):
    return Sound()(same(x))


@inference_graph
def unsound(x):
    return Broken("nowhere.bin")(same(x))
