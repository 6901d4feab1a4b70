"""The processes of one server, however many sessions they open.

A process belongs to it when it has the group's mark in its environment, which children inherit,
or shares a session with one that has: some of Ray's processes write their title over their
environment. That is how CPU time and memory are added up, and how nothing of a server is left.
"""

from __future__ import annotations

import contextlib
import os
import time
import uuid
from collections.abc import Mapping
from pathlib import Path

import psutil

_VARIABLE = "UMBEL_BENCHMARK"


class ProcessGroup:
    """``environment`` has to reach the first process, which must open a session of its own."""

    def __init__(self, mark: str = "") -> None:
        self._mark = mark or f"{os.getpid()}-{uuid.uuid4().hex}"
        self._sessions: set[int] = set()

    @property
    def environment(self) -> Mapping[str, str]:
        """The variables that make a process a member."""
        return {_VARIABLE: self._mark}

    def members(self) -> list[psutil.Process]:
        """All of it that lives. Zombies do not."""
        found: list[psutil.Process] = []
        others: list[tuple[psutil.Process, int]] = []
        for process in psutil.process_iter():
            with contextlib.suppress(psutil.Error, OSError):
                session = os.getsid(process.pid)
                if mark_of(process.pid) == self._mark:
                    self._sessions.add(session)
                    found.append(process)
                else:
                    others.append((process, session))
        found += [process for process, session in others if session in self._sessions]
        return [process for process in found if _lives(process)]

    def sweep(self, limit_s: float = 15.0) -> None:
        """Kills until none is left: some start others while they die. Raises RuntimeError."""
        end = time.monotonic() + limit_s
        while left := self.members():
            for process in left:
                with contextlib.suppress(psutil.Error):
                    process.kill()
            if time.monotonic() > end:
                raise RuntimeError(f"cannot end processes {[process.pid for process in left]}")
            time.sleep(0.05)


def sweep_the_dead() -> None:
    """Ends what a killed benchmark left: servers whose mark names a process that is gone."""
    for process in psutil.process_iter():
        mark = mark_of(process.pid)
        if mark and not psutil.pid_exists(int(mark.split("-")[0])):
            ProcessGroup(mark).sweep()


def foreign_raylets() -> list[int]:
    """Raylets that no benchmark started: another Ray that works on this machine."""
    return [
        process.pid
        for process in psutil.process_iter(["name"])
        if process.info["name"] == "raylet" and not mark_of(process.pid)
    ]


def mark_of(pid: int) -> str:
    """The mark in a process's environment; empty for a process that is none of ours."""
    try:
        environment = Path(f"/proc/{pid}/environ").read_bytes()
    except OSError:
        return ""
    _, found, rest = environment.partition(f"\0{_VARIABLE}=".encode())
    return rest.split(b"\0", 1)[0].decode() if found else ""


def pss_mb(pid: int) -> float:
    """A process's memory in MiB, pages it shares divided by those who share them."""
    for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
        if line.startswith("Pss:"):
            return int(line.split()[1]) / 1024
    return 0.0


def _lives(process: psutil.Process) -> bool:
    try:
        return bool(process.status() != psutil.STATUS_ZOMBIE)
    except psutil.Error:
        return False
