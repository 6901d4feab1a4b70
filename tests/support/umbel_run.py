"""``umbel run`` as a process of its own, ready when a block begins and ended with it."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path


@contextlib.contextmanager
def umbel_run(
    files: Sequence[Path], *words: str, urls: int, variables: Mapping[str, str] | None = None
) -> Iterator[list[str]]:
    """Gives the first ``urls`` lines, which have to say ``ready``. It has to end well."""
    process = subprocess.Popen(
        [*(sys.executable, "-m", "umbel", "run"), *map(str, files), *words],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "RAY_USAGE_STATS_ENABLED": "0", **(variables or {})},
    )
    assert process.stdout is not None
    try:
        told = [process.stdout.readline().strip() for _ in range(urls)]
        assert all(line.startswith("ready ") for line in told), (told, process.communicate())
        yield told
    finally:
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=60)
    assert process.returncode == 0
