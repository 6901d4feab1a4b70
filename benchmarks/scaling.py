"""Replicas over time of a node with ``min=0, max=3``: idle, a load, idle again. Draws a plot.

.venv/bin/python benchmarks/scaling.py [--seconds 40] [--out docs/images/replicas.svg]
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path

import aiohttp

HERE = Path(__file__).resolve().parent
GRAPH = HERE.parent / "tests" / "graphs" / "scaling.py"
UMBEL = [sys.executable, "-m", "umbel"]
PEERS = HERE.parent / ".venv-peers" / "bin" / "python"


@dataclass
class Course:
    """What was seen: ``(seconds, wanted, ready)`` and ``(seconds, latency, status)``."""

    start: float = field(default_factory=time.monotonic)
    replicas: list[tuple[float, int, int]] = field(default_factory=list)
    requests: list[tuple[float, float, int]] = field(default_factory=list)

    def now(self) -> float:
        return time.monotonic() - self.start


def watch(port: int, course: Course) -> subprocess.Popen[str]:
    """Note what ``umbel status --watch`` prints, in a thread, until the process is ended."""
    words = ["status", "--port", str(port), "--json", "--watch", "0.25"]
    process = subprocess.Popen([*UMBEL, *words], stdout=subprocess.PIPE, text=True)

    def read() -> None:
        assert process.stdout is not None
        for line in process.stdout:
            state = json.loads(line)
            if state["deployment"] != "graph":
                course.replicas.append((course.now(), state["wanted"], state["ready"]))

    threading.Thread(target=read, daemon=True).start()
    return process


async def load(port: int, course: Course, clients: int, seconds: float) -> None:
    """``clients`` who ask one after the other."""
    end = time.monotonic() + seconds
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as session:

        async def client() -> None:
            while time.monotonic() < end:
                begun, at = time.monotonic(), course.now()
                url = f"http://127.0.0.1:{port}/scaled"
                async with session.post(url, json={"x": [1]}) as reply:
                    await reply.read()
                course.requests.append((at, time.monotonic() - begun, reply.status))

        await asyncio.gather(*(client() for _ in range(clients)))


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=float, default=30, help="how long the load lasts")
    parser.add_argument("--clients", type=int, default=24)
    parser.add_argument("--out", type=Path, default=HERE.parent / "docs/images/replicas.svg")
    asked = parser.parse_args()
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = int(probe.getsockname()[1])
    words = [*UMBEL, "run", str(GRAPH), "--port", str(port), "--no-grpc"]
    run = subprocess.Popen(
        words, stdout=subprocess.PIPE, text=True, env={**os.environ, "RAY_USAGE_STATS_ENABLED": "0"}
    )
    assert run.stdout is not None
    try:
        run.stdout.readline()
        course = Course()
        watcher = watch(port, course)
        time.sleep(5)
        asyncio.run(load(port, course, asked.clients, asked.seconds))
        quiet = time.monotonic() + 60
        while time.monotonic() < quiet and course.replicas[-1][2] > 0:
            time.sleep(0.5)
        time.sleep(3)
        watcher.terminate()
        watcher.wait(10)
    finally:
        run.send_signal(signal.SIGTERM)
        run.communicate(timeout=60)
    report(course, asked.out)
    return 0


def report(course: Course, out: Path) -> None:
    """The figures as text, and the plot by whichever Python has matplotlib."""
    latencies = sorted(latency for _, latency, _ in course.requests)
    print(
        f"{len(latencies)} requests, {sum(s != 200 for _, _, s in course.requests)} failed; "
        f"the slowest {latencies[-1]:.2f} s, the median {latencies[len(latencies) // 2]:.3f} s; "
        f"at most {max(ready for _, _, ready in course.replicas)} replicas, "
        f"{course.replicas[-1][2]} at the end"
    )
    data = json.dumps({"replicas": course.replicas, "requests": course.requests})
    out.parent.mkdir(parents=True, exist_ok=True)
    python = str(PEERS) if PEERS.exists() else sys.executable
    command = [python, "-m", "harness.replica_plot", str(out)]
    subprocess.run(command, input=data, text=True, check=True, cwd=HERE)
    print(f"drawn: {out}")


if __name__ == "__main__":
    sys.exit(main())
