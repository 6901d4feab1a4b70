"""One umbel run to a port: the claim on it, and what a dead run left behind.

A claim is a locked file, one for each port and user, in a folder of the user's. The
foreground process and its guard hold the same lock, so it is free only when both are gone,
that is when the run has been cleaned up. The file tells who has the port; what stands in it
although the lock is free was left by a run whose guard was killed as well.
"""

from __future__ import annotations

import contextlib
import dataclasses
import errno
import fcntl
import json
import os
import shutil
import socket
import stat
import time
from pathlib import Path

import psutil

from umbel.graph import errors
from umbel.serving import run_guard

_GUARD_PATIENCE_S = 20.0


class PortTaken(errors.UmbelError):
    """The port is served by someone else; the message names who and what to do."""


@dataclasses.dataclass(frozen=True)
class RunRecord:
    """What is known of a run: enough to tell a user about it, and to end what is left."""

    pid: int
    """The foreground process."""

    started: float
    """When that process started, seconds since the epoch: a number is not a process for ever."""

    run_id: str
    session: int
    """The session of the serving processes, which is their first process's pid; 0 until then."""

    session_started: float
    """When that first process started, seconds since the epoch."""

    folder: str
    """The run's temporary folder."""

    def is_alive(self) -> bool:
        """Whether the foreground process still runs."""
        try:
            return bool(abs(psutil.Process(self.pid).create_time() - self.started) < 1.0)
        except psutil.Error:
            return False


class PortClaim:
    """The right to serve on a port, from `take` until this process and its guard are gone."""

    def __init__(self, port: int, file: int, path: Path) -> None:
        self.port = port
        self.file = file
        self.path = path

    @classmethod
    def take(cls, host: str, port: int, *, patience_s: float = _GUARD_PATIENCE_S) -> PortClaim:
        """Claims the port, after ending what a dead run left on it.

        Waits up to ``patience_s`` for the guard of a run that just died. Raises PortTaken
        when a living run, or another program, has the port.
        """
        path = _folder() / f"port-{port}.json"
        file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            _lock(file, path, port, patience_s)
            _finish(_read(path))
            _check_free(host, port)
        except BaseException:
            os.close(file)
            raise
        return cls(port, file, path)

    def record(self, record: RunRecord) -> None:
        """Writes who has the port."""
        self.path.write_text(json.dumps(dataclasses.asdict(record)), encoding="utf-8")

    def close(self) -> None:
        """Gives up this process's hold; the guard keeps its own."""
        os.close(self.file)


def running() -> list[tuple[int, RunRecord]]:
    """The living runs of this user on this machine, by port."""
    found = []
    for path in sorted(_folder().glob("port-*.json")):
        record = _read(path)
        if record is not None and record.is_alive():
            found.append((int(path.stem.removeprefix("port-")), record))
    return found


def _lock(file: int, path: Path, port: int, patience_s: float) -> None:
    end = time.monotonic() + patience_s
    while True:
        with contextlib.suppress(BlockingIOError):
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return
        owner = _read(path)
        if owner is not None and owner.is_alive():
            raise PortTaken(
                f"port {port} is served by umbel run, pid {owner.pid}: "
                f"stop it (kill {owner.pid}) or choose another port with --port"
            )
        if time.monotonic() > end:
            raise PortTaken(
                f"port {port} is still held by a run that is being ended: "
                "try again, or choose another port with --port"
            )
        time.sleep(0.05)


def _finish(left: RunRecord | None) -> None:
    """Ends what a run and its guard, both killed, left behind."""
    if left is None:
        return
    session = left.session if _is_the_same_session(left) else 0
    run_guard.sweep(session, left.run_id)
    shutil.rmtree(left.folder, ignore_errors=True)


def _is_the_same_session(left: RunRecord) -> bool:
    """False when the number may belong to someone else by now: after a start of the machine,
    or when a process of that number lives that is not the run's. While a session has members
    the kernel gives its number to no one else, so a missing leader is no doubt."""
    if psutil.boot_time() > left.session_started:
        return False
    try:
        started = psutil.Process(left.session).create_time()
    except psutil.Error:
        return True
    return bool(abs(started - left.session_started) < 1.0)


def _check_free(host: str, port: int) -> None:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
            probe.listen(1)
        except OSError as error:
            raise PortTaken(_why_not(host, port, error)) from error


def _why_not(host: str, port: int, error: OSError) -> str:
    if error.errno == errno.EADDRINUSE:
        who = _listener(port)
        return f"port {port} is taken by {who}: stop it or choose another port with --port"
    if error.errno == errno.EACCES:
        return f"port {port} needs the rights of root: choose another one with --port (1024 or up)"
    return f"cannot listen on {host}:{port}: {error.strerror}: choose another address with --host"


def _listener(port: int) -> str:
    with contextlib.suppress(psutil.Error, OSError):
        for connection in psutil.net_connections("tcp"):
            address = connection.laddr
            is_it = connection.status == psutil.CONN_LISTEN and address and address.port == port
            if is_it and connection.pid is not None:
                return f"{psutil.Process(connection.pid).name()}, pid {connection.pid}"
    return "another program"


def _read(path: Path) -> RunRecord | None:
    try:
        text = path.read_text(encoding="utf-8")
        return RunRecord(**json.loads(text)) if text.strip() else None
    except (OSError, ValueError, TypeError):
        return None


def _folder() -> Path:
    """A fixed place, not one from the environment: two shells have to meet in it."""
    folder = Path("/tmp") / f"umbel-{os.getuid()}"  # noqa: S108 - checked below
    folder.mkdir(mode=0o700, exist_ok=True)
    found = folder.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.getuid() or found.st_mode & 0o022:
        raise PortTaken(
            f"{folder} has to be a folder only you can write to (it keeps who serves on which "
            f"port): remove it, or 'chmod 700 {folder}' if it is yours"
        )
    return folder
