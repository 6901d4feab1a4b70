"""The load generator and the ratios that the benchmarks report, against a server of known cost."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

BENCHMARKS = Path(__file__).resolve().parents[2] / "benchmarks"

SCRIPT = """
import asyncio, json, sys, threading
import numpy as np
from harness import load
from harness.exchange import Exchange

SLEEP, ANSWERS, CLOSE = 0.005, json.loads(sys.argv[1]), False

async def serve(reader, writer):
    while (head := await reader.readuntil(b"\\r\\n\\r\\n")):
        body = await reader.readexactly(1)
        await asyncio.sleep(SLEEP)
        text = json.dumps({"predictions": [ANSWERS[int(body)]]}).encode()
        writer.write(b"HTTP/1.1 200 OK\\r\\nContent-Length: %d\\r\\n\\r\\n" % len(text) + text)

async def start(ready):
    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    ready.port = server.sockets[0].getsockname()[1]
    ready.set()
    await asyncio.sleep(60)

ready = threading.Event()
threading.Thread(target=lambda: asyncio.run(start(ready)), daemon=True).start()
ready.wait()
asked = [
    Exchange(b"POST / HTTP/1.1\\r\\ncontent-length: 1\\r\\n\\r\\n%d" % n, np.array([10.0 * n]))
    for n in range(2)
]
closed = load.closed_loop(ready.port, asked, 4, 0.5)
opened = load.open_loop(ready.port, asked, 100, 0.5, seed=1)
print(json.dumps([
    [t.answered, t.failed, t.wrong, t.unanswered, min(t.latencies, default=0)]
    for t in (closed, opened)
]))
"""


def run(answers: list[float]) -> list[list[float]]:
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, json.dumps(answers)],
        cwd=BENCHMARKS, capture_output=True, text=True, check=True, timeout=60,
    )  # fmt: skip
    loops: list[list[float]] = json.loads(done.stdout)
    return loops


def test_both_loops_count_and_time_the_answers() -> None:
    closed, opened = run([0, 10])
    assert 4 <= closed[0] <= 4 * 0.5 / 0.005
    assert 20 <= opened[0] <= 90
    for loop in (closed, opened):
        assert loop[1:4] == [0, 0, 0]
        assert loop[4] >= 0.005


def test_a_wrong_answer_is_no_answer() -> None:
    closed, opened = run([0, 11])
    for loop in (closed, opened):
        assert loop[0] > 0
        assert loop[2] > 0


@pytest.fixture()
def harness(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(BENCHMARKS))


def measurement(server: str, number: int, rps: float, p50: float, length: int = 4) -> dict:  # type: ignore[type-arg]
    zero = dict.fromkeys(("failed", "wrong", "unanswered"), 0)
    return {
        "workload": f"chain-{length}", "server": server, "round": number, "loop": "closed",
        "level": 1, "rps": rps, "p50": p50, "p99": 2 * p50, "overrun": False, **zero,
    }  # fmt: skip


def test_ratios_are_taken_within_a_round(harness: None) -> None:
    from harness.books import Books

    made = [
        measurement("umbel-ray", 0, 900, 1), measurement("kserve", 0, 100, 9),
        measurement("umbel-ray", 1, 300, 3), measurement("kserve", 1, 50, 18),
        measurement("kserve", 2, 1, 1),
    ]  # fmt: skip
    books = Books({"measurements": made, "starts": []})
    ours, theirs = (("chain-4", s, "closed", 1.0) for s in ("umbel-ray", "kserve"))
    assert books.ratio(ours, theirs, "rps") == (7.5, 6, 9)


def test_the_cost_of_a_node_is_the_slope_over_the_chain(harness: None) -> None:
    from harness.books import Books

    made = [measurement("umbel-ray", 0, 1, 0.9 + 0.04 * n, n) for n in (1, 2, 4, 8)]
    slope = Books({"measurements": made, "starts": []}).cost_of_a_node("umbel-ray")
    assert slope == pytest.approx(0.04)
