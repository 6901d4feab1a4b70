"""Tells how far a long download is, and nothing of a short one."""

from __future__ import annotations

import logging
import time

log = logging.getLogger("umbel.nodes.storage")

EVERY_S = 10.0
"""Seconds between two lines in the log; the first comes after as many."""


class Progress:
    """Counts bytes of one download. ``total`` is 0 where it is not known."""

    def __init__(self, shown: str, total: int = 0) -> None:
        self._shown, self._total = shown, total
        self._done = 0
        self._last = time.monotonic()

    def add(self, size: int) -> None:
        """``size`` more bytes are there."""
        self._done += size
        now = time.monotonic()
        if now - self._last >= EVERY_S:
            self._last = now
            share = f" of {mebibytes(self._total)}" if self._total else ""
            # Not INFO: a start that takes minutes has to say why wherever nobody set up logging.
            log.warning("%s: %s%s", self._shown, mebibytes(self._done), share)


def mebibytes(size: int) -> str:
    """A size for people: ``12.5 MiB``."""
    return f"{size / (1 << 20):,.1f} MiB"
