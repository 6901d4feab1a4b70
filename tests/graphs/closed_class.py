"""A class that is closed where it runs: in the graph's replica, and in one of its own. Each leaves
a line in the file ``UMBEL_TEST_LOG``."""

from __future__ import annotations

import os
from typing import Any

from umbel import inference_graph, transformer


class Holder:
    def __init__(self, name: str) -> None:
        self.name = name

    def transform(self, x: Any) -> Any:
        return x

    def close(self) -> None:
        with open(os.environ["UMBEL_TEST_LOG"], "a") as file:
            file.write(f"{self.name} {os.getpid()}\n")


fused = transformer(name="fused")(Holder)("fused")
apart = transformer(name="apart", fuse="never")(Holder)("apart")


@inference_graph
def held(x: Any) -> Any:
    return apart(fused(x))
