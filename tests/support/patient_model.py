"""A model in KServe's shape that says which revision it is, and takes as long as it is asked to."""

from __future__ import annotations

import asyncio
from typing import Any


class Patient:
    """``instances`` are seconds to wait; the answer holds the revision for each."""

    def __init__(self, revision: str = "0") -> None:
        self.revision = int(revision)

    async def predict(self, payload: Any) -> Any:
        """Wait for the longest of them."""
        await asyncio.sleep(max(payload["instances"]))
        return {"predictions": [self.revision for _ in payload["instances"]]}
