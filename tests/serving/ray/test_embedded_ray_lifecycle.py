"""A run ends whole, however it ends, and the next one on its port works at once."""

from __future__ import annotations

import concurrent.futures
import contextlib
import json
import os
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from free_ports import free_port
from umbel.serving import run_guard

pytest.importorskip("ray.serve")
pytestmark = [pytest.mark.ray, pytest.mark.slow]

_SCRIPT = Path(__file__).with_name("served_hello.py")


class Run:
    """One ``served_hello.py``, ready."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.process = subprocess.Popen(
            [sys.executable, str(_SCRIPT), str(port)],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        self.run_id = ""
        self.session = 0

    def wait_ready(self) -> Run:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            if line.startswith("ready "):
                self.run_id = line.split()[1]
                self.session = self._serving_process()
                return self
        raise AssertionError(self.process.communicate()[1])  # it ended: the reason is there

    def _serving_process(self) -> int:
        children = psutil.Process(self.process.pid).children()
        return next(child.pid for child in children if not _is_guard(child))

    def left(self) -> list[int]:
        return run_guard.members(self.session, self.run_id)

    def stop(self, number: int) -> int:
        self.process.send_signal(number)
        return self.process.wait(timeout=60)


def _close(run: Run) -> None:
    for stream in (run.process.stdout, run.process.stderr):
        if stream is not None:
            stream.close()


def _is_guard(process: psutil.Process) -> bool:
    return any("run_guard" in word for word in process.cmdline())


@contextlib.contextmanager
def running(port: int) -> Iterator[Run]:
    run = Run(port)
    try:
        yield run.wait_ready()
    finally:
        if run.process.poll() is None:
            run.stop(signal.SIGTERM)
        _close(run)


@pytest.fixture()
def port() -> int:
    return free_port()


def ask(port: int, path: str = "/hello") -> str:
    with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=20) as answer:
        return str(json.load(answer)["run"])


def open_listeners(run: Run) -> list[str]:
    """Addresses other than loopback on which a process of the run listens."""
    found = []
    for pid in run.left():
        with contextlib.suppress(psutil.Error):
            for connection in psutil.Process(pid).net_connections("inet"):
                address = connection.laddr.ip if connection.laddr else ""
                is_local = address.removeprefix("::ffff:").startswith("127.") or address == "::1"
                if connection.status == psutil.CONN_LISTEN and not is_local:
                    found.append(f"{connection.laddr} {psutil.Process(pid).cmdline()}")
    return found


def wait_until_gone(run: Run) -> None:
    end = time.monotonic() + 15
    while run.left() and time.monotonic() < end:
        time.sleep(0.1)
    assert run.left() == []


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_stop_drains_and_leaves_nothing_and_the_port_is_free(port: int, number: int) -> None:
    with running(port) as first:
        assert ask(port) == first.run_id
        assert open_listeners(first) == []
        with concurrent.futures.ThreadPoolExecutor(1) as pool:
            in_flight = pool.submit(ask, port, "/hello/slow")
            time.sleep(0.5)
            code = first.stop(number)
            assert in_flight.result() == first.run_id
        assert code == 0
        assert first.left() == []
        assert first.process.stderr is not None
        assert first.process.stderr.read() == ""
        with running(port) as second:
            assert ask(port) == second.run_id != first.run_id


def test_after_sigkill_a_new_run_on_the_port_works_at_once(port: int) -> None:
    with running(port) as first:
        first.process.kill()
        with running(port) as second:
            assert ask(port) == second.run_id != first.run_id
            assert first.left() == []


def test_after_sigkill_nothing_is_left_even_without_a_new_run(port: int) -> None:
    with running(port) as run:
        run.process.kill()
        wait_until_gone(run)


def test_a_run_whose_guard_is_killed_as_well_is_ended_by_the_next(port: int) -> None:
    with running(port) as first:
        children = psutil.Process(first.process.pid).children()
        for child in [child for child in children if _is_guard(child)]:
            child.kill()
        first.process.kill()
        os.kill(first.session, signal.SIGKILL)
        with running(port) as second:
            assert ask(port) == second.run_id
            assert first.left() == []


def test_the_death_of_the_serving_process_ends_the_run(port: int) -> None:
    with running(port) as run:
        os.kill(run.session, signal.SIGKILL)
        assert run.process.wait(timeout=30) == 1
        assert run.left() == []


def test_a_stop_during_the_start_ends_at_once(port: int) -> None:
    run = Run(port)
    time.sleep(3)
    run.session = run._serving_process()
    started = time.monotonic()
    assert run.stop(signal.SIGINT) == 0
    assert time.monotonic() - started < 10
    assert run_guard.members(run.session, "none") == []
    _close(run)


def test_two_runs_live_side_by_side_and_one_port_has_one_run(port: int) -> None:
    with running(port) as first, running(free_port()) as second:
        assert ask(first.port) == first.run_id
        assert ask(second.port) == second.run_id
        third = Run(port)
        error = third.process.communicate(timeout=30)[1]
        assert third.process.returncode == 1
        assert f"port {port} is served by umbel run, pid {first.process.pid}" in error
        first.stop(signal.SIGTERM)
        assert ask(second.port) == second.run_id


def test_an_unknown_path_is_a_json_404(port: int) -> None:
    with running(port), pytest.raises(urllib.error.HTTPError) as caught:
        ask(port, "/nowhere")
    assert caught.value.code == 404
    assert "/nowhere" in json.load(caught.value)["error"]
