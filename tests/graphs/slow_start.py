"""Takes 20 seconds to start: while the file is read, or while a node is loaded."""

import os
import time
from pathlib import Path

from umbel import inference_graph, predictor

FOLDER = Path(os.environ["UMBEL_TEST_FOLDER"])


def wait() -> None:
    (FOLDER / "began").touch()
    time.sleep(20)


@predictor
class Slow:
    def __init__(self) -> None:
        if os.environ["UMBEL_TEST_SLOW"] == "load":
            time.sleep(0.2)
            wait()

    def predict(self, x):
        return x


@predictor
class Quick:
    def predict(self, x):
        return x

    def close(self) -> None:
        (FOLDER / "closed").touch()


if os.environ["UMBEL_TEST_SLOW"] == "import":
    wait()


@inference_graph
def slow(x):
    return Slow()(Quick()(x))
