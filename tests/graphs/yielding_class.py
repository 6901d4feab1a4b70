"""A class in KServe's shape that yields."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

from streams_apart import PAUSE_S, note


class Yielding:
    def __init__(self, name: str = "") -> None:
        self.name = name

    def predict(self, payload: Any) -> Iterator[str]:
        try:
            for word in payload["instances"]:
                if word == "bad":
                    raise ValueError("a secret")
                yield word
                time.sleep(PAUSE_S)
        finally:
            note("closed", self.name)
