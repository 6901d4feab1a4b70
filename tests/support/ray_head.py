"""A Ray head with a dashboard, as an operator finds it: on loopback, ended with all it started."""

from __future__ import annotations

import contextlib
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import psutil

MARK = "UMBEL_TEST_RAY_HEAD"
TOKEN = "a-test-token-of-thirty-two-letters"


@dataclass(frozen=True)
class RayHead:
    """``dashboard`` is its URL; ``serve_port`` is free for Serve's proxy."""

    dashboard: str
    serve_port: int
    ports: tuple[int, ...] = ()
    """All of its own, to start another one in its place."""

    token: str = TOKEN
    folder: Path = Path()
    """Ray's own: its session with all logs."""


@contextlib.contextmanager
def ray_head(cpus: int = 8, *, after: RayHead | None = None) -> Iterator[RayHead]:
    """Start ``ray start --head`` and end every process of it. ``after``: one that ended, whose
    ports it gets."""
    folder = Path(tempfile.mkdtemp(prefix="umbel-", dir="/tmp"))
    mark = uuid.uuid4().hex
    ports = after.ports if after is not None else tuple(_free_ports(4))
    gcs, dashboard, agent, serve = ports
    environment = {
        **os.environ,
        MARK: mark,
        "RAY_USAGE_STATS_ENABLED": "0",
        "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0",
        "RAY_AUTH_MODE": "token",
        "RAY_AUTH_TOKEN": TOKEN,
        "OMP_NUM_THREADS": "1",
    }
    command = [Path(sys.executable).parent / "ray", "start", "--head", f"--port={gcs}"]
    command += ["--node-ip-address=127.0.0.1", "--dashboard-host=127.0.0.1"]
    command += [f"--dashboard-port={dashboard}", f"--dashboard-agent-listen-port={agent}"]
    command += [f"--num-cpus={cpus}", "--object-store-memory=100000000"]
    command += [f"--temp-dir={folder}", "--disable-usage-stats"]
    try:
        subprocess.run(command, env=environment, check=True, stdout=subprocess.DEVNULL, timeout=120)
        yield RayHead(f"http://127.0.0.1:{dashboard}", serve, ports, folder=folder)
    finally:
        _end(mark)
        shutil.rmtree(folder, ignore_errors=True)


def _end(mark: str) -> None:
    for _ in range(3):  # what a dying process has just started
        for process in psutil.process_iter():
            with contextlib.suppress(psutil.Error):
                if process.pid != os.getpid() and process.environ().get(MARK) == mark:
                    process.kill()


def _free_ports(count: int) -> list[int]:
    """Below the range that Ray gives its workers."""
    found: list[int] = []
    for port in range(6400 + os.getpid() % 1000 * 3, 10_000):
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
        found.append(port)
        if len(found) == count:
            return found
    raise OSError("no free ports")
