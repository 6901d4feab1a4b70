"""A ``feast serve`` process on loopback."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest


@dataclass
class FeastServer:
    """A ``feast serve`` process with its workers."""

    url: str
    process: subprocess.Popen[bytes]

    def signal(self, number: int) -> None:
        """To the server and all its workers."""
        os.killpg(self.process.pid, number)

    def stop(self) -> None:
        """End it for good."""
        if self.process.poll() is None:
            self.signal(signal.SIGCONT)
            self.signal(signal.SIGKILL)
            self.process.wait(20)


def serve(repo: Path) -> Iterator[FeastServer]:
    """Start ``feast serve``, wait until it is healthy, and end it afterwards."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    feast = Path(sys.executable).parent / "feast"
    process = subprocess.Popen(
        [str(feast), "-c", str(repo), "serve", "-h", "127.0.0.1", "-p", str(port)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    server = FeastServer(f"http://127.0.0.1:{port}", process)
    try:
        for _ in range(240):
            try:
                with urllib.request.urlopen(f"{server.url}/health", timeout=1):
                    break
            except OSError:
                time.sleep(0.5)
        else:
            pytest.fail("feast serve did not start")
        yield server
    finally:
        server.stop()
