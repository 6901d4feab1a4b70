"""Several Ray nodes on this machine with logical GPUs, and `umbel` on them."""

from __future__ import annotations

import contextlib
import json
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import simulated_machines
from free_ports import free_port
from loopback_server import Client


@contextlib.contextmanager
def cluster(*machines: dict[str, Any]) -> Iterator[str]:
    """The address of a cluster of these machines (``num_cpus``, ``num_gpus``, ``labels``)."""
    process = subprocess.Popen(
        [sys.executable, simulated_machines.__file__, json.dumps(machines)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        lines = iter(process.stdout.readline, "")
        found = next((one for one in lines if one.startswith(simulated_machines.PREFIX)), "")
        assert found, "the cluster did not start"
        yield found.removeprefix(simulated_machines.PREFIX).strip()
    finally:
        process.stdin.close()
        process.wait(timeout=90)
        process.stdout.close()


def free_gpus(address: str) -> float:
    """How many GPUs nobody has reserved."""
    script = (
        "import ray, sys\n"
        "ray.init(address=sys.argv[1], log_to_driver=False, logging_level='ERROR')\n"
        "print(ray.available_resources().get('GPU', 0))\n"
    )
    words = [sys.executable, "-c", script, address]
    told = subprocess.run(words, stdout=subprocess.PIPE, text=True, timeout=60, check=True)
    return float(told.stdout.split()[-1])


class Umbel:
    """``umbel`` with a cluster's address."""

    def __init__(self, address: str) -> None:
        self.address, self.port = address, free_port()

    def __call__(self, *words: str, cluster: bool = True) -> subprocess.CompletedProcess[str]:
        where = ["--address", self.address] if cluster else []
        return subprocess.run(
            [sys.executable, "-m", "umbel", *words, *where],
            capture_output=True,
            text=True,
            timeout=180,
            check=False,
        )

    def run(
        self, file: Path, graphs: Sequence[str], *words: str
    ) -> contextlib.AbstractContextManager[Client]:
        """``umbel run`` on the cluster until the block ends."""
        return served(file, graphs, "--address", self.address, *words, port=self.port)


@contextlib.contextmanager
def served(
    file: Path, graphs: Sequence[str], *words: str, port: int | None = None
) -> Iterator[Client]:
    """``umbel run`` until the block ends."""
    options = ["--port", str(port or free_port()), "--no-grpc", *words]
    process = subprocess.Popen(
        [sys.executable, "-m", "umbel", "run", str(file), *options],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    told: tuple[str, str] = ("", "")
    try:
        for name in graphs:
            line = process.stdout.readline().strip()
            if not line.endswith(f"/{name}"):
                raise AssertionError((line, process.communicate()))
        yield Client(int(line.rsplit(":", 1)[1].partition("/")[0]))
    finally:
        process.send_signal(signal.SIGINT)
        told = process.communicate(timeout=90)
    assert process.returncode == 0, told


def wait_until(holds: Any, patience_s: float = 60) -> None:
    end = time.monotonic() + patience_s
    while not holds():
        assert time.monotonic() < end, "it did not come true in time"
        time.sleep(0.5)
