"""What the machine does to a verb's output: no UTF-8, no room left."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

GRAPHS = Path(__file__).parents[1] / "graphs"
ARITHMETIC = str(GRAPHS / "arithmetic.py")


def test_a_terminal_without_utf_8_still_shows_the_picture() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "umbel", "show", ARITHMETIC],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        env=os.environ | {"PYTHONIOENCODING": "ascii"},
    )
    assert done.returncode == 0, done.stderr
    assert "\\u2514" in done.stdout


def test_no_room_for_the_output_is_one_line() -> None:
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            [sys.executable, "-m", "umbel", "check", ARITHMETIC],
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            timeout=60,
            check=False,
        )
    assert done.returncode == 1
    assert "error: [Errno 28] No space left on device" in done.stderr
    assert "Traceback" not in done.stderr
