"""What a serving process settles before it is ready: garbage collection and math threads."""

from __future__ import annotations

import gc
import os
import sys

YOUNG = 20_000
"""Allocations between young collections. Python's 700 collects several times in a request;
what a request allocates is freed by reference counts anyway."""


def settle() -> None:
    """Call once everything is loaded. Keeps what is loaded out of every later collection, and
    torch to as many threads as the process was told (``OMP_NUM_THREADS``)."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(YOUNG, 20, 50)
    torch = sys.modules.get("torch")
    threads = os.environ.get("OMP_NUM_THREADS", "")
    if torch is not None and threads.isdigit():
        torch.set_num_threads(max(1, int(threads)))
