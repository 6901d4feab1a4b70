"""numpy's global random numbers, which alibi and ART draw from: one stream for each explainer,
so that equal questions get equal answers and nothing else in the process is disturbed."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np


class RandomStream:
    """Starts at ``seed`` when an explainer is built. Each explanation starts where building had
    left off, as after one call of the library by hand."""

    def __init__(self, seed: int) -> None:
        self._seed = seed
        self._after_building: Any = None

    @contextmanager
    def building(self) -> Iterator[None]:
        """Around the code that makes and fits an explainer."""
        outside = np.random.get_state()
        try:
            np.random.seed(self._seed)
            yield
            self._after_building = np.random.get_state()
        finally:
            np.random.set_state(outside)

    @contextmanager
    def explaining(self) -> Iterator[None]:
        """Around one explanation."""
        outside = np.random.get_state()
        try:
            np.random.set_state(self._after_building)
            yield
        finally:
            np.random.set_state(outside)
