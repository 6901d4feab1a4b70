"""A node with min=0, max=3: none while idle, started by a request, more under load, none again."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import aiohttp
import pytest

pytest.importorskip("ray.serve")
pytestmark = [pytest.mark.ray, pytest.mark.slow]

FILE = Path(__file__).parents[2] / "graphs" / "scaling.py"
UMBEL = [sys.executable, "-m", "umbel"]


@pytest.fixture()
def port() -> Iterator[int]:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        number = int(probe.getsockname()[1])
    words = ["run", str(FILE), "--port", str(number), "--no-grpc"]
    process = subprocess.Popen(
        [*UMBEL, *words],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "RAY_USAGE_STATS_ENABLED": "0"},
    )
    assert process.stdout is not None
    try:
        assert process.stdout.readline().startswith("ready")
        yield number
    finally:
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=60)


def replicas(port: int) -> tuple[int, int]:
    """Wanted and ready replicas of the node, as ``umbel status`` prints them."""
    words = ["status", "--port", str(port), "--json"]
    told = subprocess.run([*UMBEL, *words], capture_output=True, text=True, check=True)
    states = [json.loads(line) for line in told.stdout.splitlines()]
    found = next(state for state in states if state["deployment"] != "graph")
    return found["wanted"], found["ready"]


async def load(port: int, clients: int, seconds: float) -> list[tuple[int, object]]:
    """Status and body of every request of ``clients`` who ask one after the other."""
    end, found = time.monotonic() + seconds, []
    url = f"http://127.0.0.1:{port}/scaled"
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as session:

        async def client(number: int) -> None:
            while time.monotonic() < end:
                async with session.post(url, json={"x": [number]}) as reply:
                    found.append((reply.status, (await reply.json())["output"] == [number + 1]))

        await asyncio.gather(*(client(number) for number in range(clients)))
    return found


def wait_for(port: int, ready: int, seconds: float) -> None:
    end = time.monotonic() + seconds
    while replicas(port)[1] != ready:
        assert time.monotonic() < end, (replicas(port), ready)
        time.sleep(0.5)


def test_from_none_to_three_and_back_without_a_lost_request(port: int) -> None:
    assert replicas(port) == (0, 0)
    first = asyncio.run(load(port, clients=1, seconds=0.1))
    assert set(first) == {(200, True)}
    assert replicas(port)[1] == 1
    answers = asyncio.run(load(port, clients=24, seconds=15))
    assert replicas(port) == (3, 3)
    assert len(answers) > 200
    assert set(answers) == {(200, True)}
    wait_for(port, 0, seconds=60)
    again = asyncio.run(load(port, clients=3, seconds=0.1))
    assert set(again) == {(200, True)}
