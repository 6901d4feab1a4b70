"""A server and everything it starts: begun, watched, measured and ended as one."""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType

import psutil

from harness import process_group

_DEATH_SIGNAL = 1  # prctl's PR_SET_PDEATHSIG


class ServerFailed(Exception):
    """A server did not start or died. The message has the end of its log."""


@dataclass(frozen=True)
class Usage:
    """``cpu_s``: seconds of CPU so far. ``pss_mb``: memory in MiB, shared pages divided by
    those who share them. ``processes``: how many."""

    cpu_s: float
    pss_mb: float
    processes: int


class ServerProcess:
    """A context manager. ``command`` is started in a session of its own."""

    def __init__(
        self, command: Sequence[str], environment: Mapping[str, str], log: Path, stop_s: float = 60
    ) -> None:
        self._command, self._environment, self._log = list(command), environment, log
        self._group = process_group.ProcessGroup()
        self._stop_s = stop_s
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> ServerProcess:
        self._log.parent.mkdir(parents=True, exist_ok=True)
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(
                self._command,
                env={**os.environ, **self._environment, **self._group.environment},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                preexec_fn=_die_with_parent,
            )
        return self

    def __exit__(
        self,
        _kind: type[BaseException] | None,
        _error: BaseException | None,
        _trace: TracebackType | None,
    ) -> None:
        self.stop()

    def wait_until(self, complaint: Callable[[], str], limit_s: float) -> float:
        """Polls until there is no complaint; gives the seconds it took. Raises ServerFailed, at
        once for an answer that is wrong."""
        assert self._process is not None
        started = time.monotonic()
        last = "it does not listen"
        while time.monotonic() - started < limit_s:
            if self._process.poll() is not None:
                raise self.failure(f"exited with {self._process.returncode}")
            with contextlib.suppress(OSError):
                last = complaint()
                if not last:
                    return time.monotonic() - started
                if last.startswith("200"):
                    raise self.failure(f"gives a wrong answer: {last}")
            time.sleep(0.1)
        raise self.failure(f"did not answer within {limit_s:.0f} s: {last}")

    def failure(self, what: str) -> ServerFailed:
        """An error with the end of the log."""
        lines = self._log.read_text(errors="replace").splitlines()[-15:]
        return ServerFailed("\n    ".join([f"{what}; {self._log}:", *lines]))

    def usage(self, *, memory: bool = True) -> Usage:
        """What the server's processes have used."""
        cpu = pss = 0.0
        count = 0
        for process in self._group.members():
            with contextlib.suppress(psutil.Error, OSError):
                times = process.cpu_times()
                cpu += times.user + times.system
                count += 1
                pss += process_group.pss_mb(process.pid) if memory else 0.0
        return Usage(cpu, pss, count)

    def stop(self) -> None:
        """Asks the first process to end, then ends whatever is left."""
        process = self._process
        if process is None:
            return
        if process.poll() is None:
            process.send_signal(signal.SIGTERM)
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(self._stop_s)
        self._group.sweep()
        process.wait()
        self._process = None


def free_port() -> int:
    """A port that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _die_with_parent() -> None:
    ctypes.CDLL(None).prctl(_DEATH_SIGNAL, signal.SIGTERM)
