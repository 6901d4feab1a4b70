"""The guard of a run: outlives whatever happens to it and cleans up behind it.

A separate process in a session of its own, started before the run. It holds the reading end
of a pipe whose writing end only the foreground process has; the kernel closes that end
however the process dies, so the guard needs no cooperation from the dead. It then kills
every process of the run, removes the run's folder and its record, and ends, which releases
the lock on the port that it inherited.

A process belongs to the run when its session is the run's (Ray and HAProxy never leave the
session they are started in), or when it was started with the run's id in its environment (for
a user's code that opens a session). The session comes first because some of Ray's processes
write their title over their environment.

Run as ``python -IS run_guard.py PIPE RUN_ID FOLDER RECORD``; standard library only.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

_VARIABLE = b"UMBEL_RUN_ID="


def members(session: int, run_id: str) -> list[int]:
    """The living processes of a run, without the caller. ``session`` 0: not known (yet)."""
    mark = _VARIABLE + run_id.encode()
    return [
        pid
        for pid in _living()
        if pid != os.getpid() and (_session(pid) == session != 0 or mark in _environment(pid))
    ]


def sweep(session: int, run_id: str, *, limit_s: float = 10.0) -> list[int]:
    """Kills the run's processes until none is left: some start others while they die.

    Returns those still alive after ``limit_s`` seconds (stuck in the kernel), mostly none.
    """
    end = time.monotonic() + limit_s
    while left := members(session, run_id):
        for pid in left:
            _kill(pid)
        if time.monotonic() > end:
            break
        time.sleep(0.02)
    return left


def _living() -> Iterator[int]:
    """Every process but zombies, which are dead already and only wait for their parent."""
    if os.path.isdir("/proc/self"):
        for name in os.listdir("/proc"):
            if name.isdigit() and _state(int(name)) not in ("", "Z", "X"):
                yield int(name)
        return
    command = ["ps", "-A", "-o", "pid=,stat="]
    listing = subprocess.run(command, capture_output=True, text=True, check=False)
    for line in listing.stdout.splitlines():
        pid, state = line.split()[:2]
        if not state.startswith("Z"):
            yield int(pid)


def _state(pid: int) -> str:
    try:
        with open(f"/proc/{pid}/stat", encoding="utf-8", errors="replace") as file:
            return file.read().rpartition(")")[2].split()[0]
    except (OSError, IndexError):
        return ""


def _session(pid: int) -> int:
    try:
        return os.getsid(pid)
    except OSError:
        return -1


def _environment(pid: int) -> list[bytes]:
    try:
        with open(f"/proc/{pid}/environ", "rb") as file:
            return file.read().split(b"\0")
    except OSError:
        return []


def _kill(pid: int) -> None:
    with contextlib.suppress(OSError):
        os.kill(pid, signal.SIGKILL)


def main(arguments: list[str]) -> None:
    """Waits for the foreground process's end, then cleans up. The pipe carries one line, the
    session's number, as soon as the run has one."""
    pipe, run_id, folder, record = arguments
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    with open(int(pipe), "rb") as life:
        told = life.read()
    session = int(told) if told.strip() else 0
    if sweep(session, run_id):
        sys.exit(1)  # the record stays, for the next run on this port to finish it
    shutil.rmtree(folder, ignore_errors=True)
    Path(record).write_text("", encoding="utf-8")


if __name__ == "__main__":
    main(sys.argv[1:])
