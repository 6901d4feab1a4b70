"""Runs end whole: the supervisor with a serving process that is no Ray."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Literal

import psutil
import pytest

from umbel.serving import port_claim, run_guard

_SERVING = """
import os, subprocess, sys, time
from umbel.graph import errors
from umbel.serving import supervised_run

pytestmark = pytest.mark.slow  # each starts processes

def serve(scope):
    os.environ["UMBEL_RUN_ID"] = scope.run_id
    sleeper = [sys.executable, "-c", "import time; time.sleep(600)"]
    subprocess.Popen(sleeper)
    subprocess.Popen(sleeper, start_new_session=True)
    print("ready", scope.run_id, os.getpid(), scope.folder, flush=True)
    BODY

sys.exit(supervised_run.supervise(serve, host="127.0.0.1", port=int(sys.argv[1]), drain_s=1))
"""


@pytest.fixture()
def port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Run:
    """A run of ``_SERVING``, started and ready."""

    def __init__(
        self,
        port: int,
        body: str = "scope.wait_for_stop(); return 0",
        hang_up: Literal["default", "ignore"] = "default",
    ) -> None:
        self.process = subprocess.Popen(
            [
                "env",
                f"--{hang_up}-signal=HUP",
                sys.executable,
                "-c",
                _SERVING.replace("BODY", body),
                str(port),
            ],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        assert self.process.stdout is not None
        words = self.process.stdout.readline().split()
        assert words[:1] == ["ready"], self.process.communicate()[1]
        self.run_id, self.session, self.folder = words[1], int(words[2]), Path(words[3])

    def end(self) -> None:
        """For the end of a test, whatever state it left the run in."""
        if self.process.poll() is None:
            self.process.kill()
        self.process.communicate()

    def left(self) -> list[int]:
        return run_guard.members(self.session, self.run_id)

    def wait_gone(self) -> None:
        end = time.monotonic() + 10
        while (self.left() or self.folder.exists()) and time.monotonic() < end:
            time.sleep(0.02)
        assert self.left() == []
        assert not self.folder.exists()


Start = Callable[..., Run]


@pytest.fixture()
def start(port: int) -> Iterator[Start]:
    runs: list[Run] = []

    def start_one(**options: str) -> Run:
        runs.append(Run(port, **options))
        return runs[-1]

    yield start_one
    for run in runs:
        run.end()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_stop_is_clean(start: Start, number: int) -> None:
    run = start()
    assert len(run.left()) == 3
    time.sleep(0.2)
    os.killpg(run.process.pid, number)  # as a terminal does
    assert run.process.wait(timeout=20) == 0
    run.wait_gone()


def test_under_nohup_it_outlives_its_terminal(port: int) -> None:
    run = Run(port, hang_up="ignore")
    try:
        os.killpg(run.process.pid, signal.SIGHUP)
        with pytest.raises(subprocess.TimeoutExpired):
            run.process.wait(timeout=0.5)
        assert len(run.left()) == 3
        run.process.terminate()
        assert run.process.wait(timeout=20) == 0
        run.wait_gone()
    finally:
        run.end()


def test_sigkill_of_the_foreground_leaves_nothing(start: Start) -> None:
    run = start()
    run.process.kill()
    run.wait_gone()


def test_a_new_run_ends_what_a_dead_run_and_its_dead_guard_left(start: Start) -> None:
    first = start()
    for child in psutil.Process(first.process.pid).children():
        if "run_guard" in " ".join(child.cmdline()):
            child.kill()
    first.process.kill()
    first.process.wait()
    assert first.left() != []
    second = start()
    first.wait_gone()
    second.process.terminate()
    assert second.process.wait(timeout=20) == 0


def test_a_port_has_one_run(start: Start, port: int) -> None:
    run = start()
    with pytest.raises(port_claim.PortTaken, match=f"served by umbel run, pid {run.process.pid}"):
        port_claim.PortClaim.take("127.0.0.1", port)
    run.process.terminate()
    run.process.wait(timeout=20)
    port_claim.PortClaim.take("127.0.0.1", port).close()


def test_another_programs_port_is_named_with_its_owner(port: int) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", port))
        other.listen()
        with pytest.raises(port_claim.PortTaken, match=f"pid {os.getpid()}.*--port"):
            port_claim.PortClaim.take("127.0.0.1", port)


def test_a_second_signal_does_not_wait(start: Start) -> None:
    deaf = "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); time.sleep(99)"
    run = start(body=deaf)
    time.sleep(0.2)
    run.process.send_signal(signal.SIGINT)
    time.sleep(0.5)
    run.process.send_signal(signal.SIGINT)
    assert run.process.wait(timeout=10) == 130
    run.wait_gone()


def test_the_serving_processs_exit_code_and_error_are_the_runs(start: Start) -> None:
    run = start(body="raise errors.InvalidInput('no such file')")
    assert "error: no such file" in run.process.communicate(timeout=20)[1]
    assert run.process.returncode == 1
    run.wait_gone()


def test_the_serving_processs_death_is_told(start: Start) -> None:
    run = start()
    os.kill(run.session, signal.SIGKILL)
    assert "SIGKILL" in run.process.communicate(timeout=20)[1]
    assert run.process.returncode == 1
    run.wait_gone()
