"""``umbel run --local`` and ``umbel call``, as a user types them."""

from __future__ import annotations

import importlib.util
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal

import pytest

from free_ports import free_port

GRAPHS = Path(__file__).parents[1] / "graphs"
ARITHMETIC = str(GRAPHS / "arithmetic.py")
UMBEL = [sys.executable, "-m", "umbel"]


class Run:
    """One ``umbel run --local``."""

    def __init__(
        self,
        *words: str,
        url: str = "http://127.0.0.1:",
        hang_up: Literal["default", "ignore"] = "default",
        **environment: str,
    ) -> None:
        self.began, self._url = time.monotonic(), url
        self.process = subprocess.Popen(
            ["env", f"--{hang_up}-signal=HUP", *UMBEL, "run", "--local", "--no-grpc", *words],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env={**os.environ, **environment},
        )

    def urls(self, count: int) -> list[str]:
        """The URLs that it says are ready."""
        assert self.process.stdout is not None
        lines = [self.process.stdout.readline() for _ in range(count)]
        if not all(line.startswith(f"ready {self._url}") for line in lines):
            raise AssertionError((lines, self.process.communicate()))
        return [line.split()[1] for line in lines]

    def stop(self, number: int) -> tuple[int, float, str]:
        """Exit code, seconds it took, and what stderr said."""
        began = time.monotonic()
        self.process.send_signal(number)
        told = self.process.communicate(timeout=30)[1]
        return self.process.returncode, time.monotonic() - began, told

    def end(self) -> None:
        if self.process.poll() is None:
            self.process.kill()
        self.process.communicate()


def post(url: str, body: Any) -> bytes:
    request = urllib.request.Request(
        url, json.dumps(body).encode(), {"content-type": "application/json"}
    )
    with urllib.request.urlopen(request, timeout=20) as reply:
        answer: bytes = reply.read()
        return answer


def call(*words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*UMBEL, "call", *words], capture_output=True, text=True, timeout=30, check=False
    )


@pytest.fixture(scope="module")
def running() -> Iterator[list[str]]:
    run = Run(ARITHMETIC, "--port", "0")
    try:
        yield run.urls(4)
        code, seconds, told = run.stop(signal.SIGTERM)
        assert code == 0
        assert "a secret of the node" in told  # the log has what clients do not see
        assert seconds < 2
    finally:
        run.end()


def test_each_graph_has_a_url_that_answers(running: list[str]) -> None:
    chain, branch = running[:2]
    assert chain.endswith("/chain")
    assert post(chain, [1, 2.5]) == b'{"output":[1.0,4.0]}'
    assert post(f"{branch}/v1/models/branch:predict", {"instances": [4]}) == (
        b'{"predictions":[5.5]}'
    )


def test_ray_is_not_imported(running: list[str]) -> None:
    url = running[2]
    assert post(url, {"name": "ray"}) == b'{"output":false}'
    assert post(url, {"name": "torch"}) == b'{"output":false}'
    assert post(url, {"name": "numpy"}) == b'{"output":true}'


def test_uvloop_is_used_where_it_is_installed(running: list[str]) -> None:
    installed = importlib.util.find_spec("uvloop") is not None
    assert json.loads(post(running[2], {"name": "uvloop"})) == {"output": installed}


@pytest.mark.slow
def test_an_ipv6_address_stands_in_brackets(tmp_path: Path) -> None:
    with socket.socket(socket.AF_INET6) as probe:
        try:
            probe.bind(("::1", 0))
        except OSError:
            pytest.skip("this machine has no IPv6 loopback")
    run = Run(ARITHMETIC, "--host", "::1", "--port", "0", url="http://[::1]:")
    try:
        assert post(run.urls(1)[0], [1, 2.5]) == b'{"output":[1.0,4.0]}'
        assert run.stop(signal.SIGINT)[0] == 0
    finally:
        run.end()


def test_call_prints_the_answer_and_the_path(running: list[str], tmp_path: Path) -> None:
    chain, branch = running[:2]
    done = call(chain, "-d", "[1, 2]")
    assert (done.returncode, done.stdout) == (0, '{"output":[1.0,3.0]}\n')
    assert done.stderr == "path: double > less_one\n"
    body = tmp_path / "body.json"
    body.write_text('{"instances": [1]}')
    server = chain.rpartition("/")[0]
    told = call("branch", "-d", f"@{body}", "--server", server, "--json")
    assert (
        json.loads(told.stdout)
        == {
            "status": 200,
            "body": {"predictions": [1.0]},
            "path": "less_one > double; switch=small",
        }
        or "double > less_one; switch=small" in told.stdout
    )
    failed = call(branch, "-d", "[100]")
    assert failed.returncode == 1
    assert "node 'fails' failed (request" in failed.stdout
    assert "status: 500" in failed.stderr
    assert "secret" not in failed.stdout + failed.stderr


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["http://127.0.0.1:9/x", "-d", "1"], "http://127.0.0.1:9/x does not answer"),
        (["chain", "-d", "@absent.json"], "absent.json: No such file or directory"),
        (["ftp://somewhere/x", "-d", "1"], "expected http://host:port/NAME"),
    ],
)
def test_call_names_what_is_wrong(words: list[str], message: str) -> None:
    done = call(*words)
    assert done.returncode == 1
    assert message in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    "number",
    [
        signal.SIGTERM,
        pytest.param(signal.SIGINT, marks=pytest.mark.slow),
        pytest.param(signal.SIGHUP, marks=pytest.mark.slow),
    ],
)
def test_a_stop_lets_requests_end_and_exits_with_0(number: int) -> None:
    port = free_port()
    run = Run(f"{ARITHMETIC}:wait", "--port", str(port))
    try:
        (url,) = run.urls(1)
        answers: list[bytes] = []
        asking = threading.Thread(target=lambda: answers.append(post(url, {"seconds": 0.7})))
        asking.start()
        time.sleep(0.3)
        code, seconds, told = run.stop(number)
        asking.join()
        assert answers == [b'{"output":0.7}']
        assert (code, told) == (0, "")
        assert seconds < 2.5
    finally:
        run.end()


@pytest.mark.parametrize(
    ("place", "number"),
    [
        ("import", signal.SIGINT),
        ("load", signal.SIGTERM),
        pytest.param("import", signal.SIGTERM, marks=pytest.mark.slow),
        pytest.param("load", signal.SIGINT, marks=pytest.mark.slow),
    ],
)
def test_a_stop_while_it_starts_exits_with_0(number: int, place: str, tmp_path: Path) -> None:
    run = Run(
        str(GRAPHS / "slow_start.py"),
        "--port",
        "0",
        UMBEL_TEST_FOLDER=str(tmp_path),
        UMBEL_TEST_SLOW=place,
    )
    try:
        while not (tmp_path / "began").exists():
            assert run.process.poll() is None, run.process.communicate()
            time.sleep(0.02)
        code, seconds, told = run.stop(number)
        assert (code, told) == (0, "")
        assert seconds < 2
        assert place == "import" or (tmp_path / "closed").exists()
    finally:
        run.end()


@pytest.mark.slow
def test_under_nohup_it_outlives_its_terminal() -> None:
    run = Run(ARITHMETIC, "--port", "0", hang_up="ignore")
    try:
        chain = run.urls(4)[0]
        run.process.send_signal(signal.SIGHUP)
        time.sleep(0.2)
        assert post(chain, [1, 2.5]) == b'{"output":[1.0,4.0]}'
        assert run.stop(signal.SIGTERM)[0] == 0
    finally:
        run.end()


def test_a_port_that_is_taken_is_named() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        run = Run(ARITHMETIC, "--port", str(port))
        out, told = run.process.communicate(timeout=30)
    assert (run.process.returncode, out) == (1, "")
    assert told.startswith(f"error: port {port} on 127.0.0.1 cannot be used: Address already")


@pytest.mark.slow
def test_of_two_runs_that_start_at_once_one_has_the_port() -> None:
    port = free_port()
    runs = [Run(f"{ARITHMETIC}:chain", "--port", str(port)) for _ in range(2)]
    try:
        first = [run.process.stdout.readline() for run in runs if run.process.stdout]
        assert sorted(first) == ["", f"ready http://127.0.0.1:{port}/chain\n"]
        loser = runs[first.index("")]
        assert loser.process.wait(timeout=20) == 1
        assert f"port {port} on 127.0.0.1 cannot be used" in loser.process.communicate()[1]
        winner = runs[1 - first.index("")]
        assert winner.stop(signal.SIGTERM)[0] == 0
    finally:
        for run in runs:
            run.end()


@pytest.mark.slow
def test_a_graph_that_cannot_start_is_named_and_nothing_stays(tmp_path: Path) -> None:
    run = Run(str(GRAPHS / "does_not_start.py"), "--port", "0", UMBEL_TEST_FOLDER=str(tmp_path))
    out, told = run.process.communicate(timeout=30)
    assert (run.process.returncode, out) == (1, "")
    assert told == (
        "error: graph 'unsound' cannot start: node 'Broken' cannot start: "
        "FileNotFoundError: no weights at nowhere.bin\n"
    )
    assert sorted(path.name for path in tmp_path.iterdir()) == ["closed", "opened"]


def test_a_file_with_findings_is_not_served() -> None:
    run = Run(str(GRAPHS / "eight_mistakes.py"))
    out, told = run.process.communicate(timeout=30)
    assert (run.process.returncode, out) == (1, "")
    assert told.count(" error UMB-") == 8


@pytest.mark.parametrize("port", ["70000", "-1"])
def test_a_port_that_cannot_be(port: str) -> None:
    done = subprocess.run(
        [*UMBEL, "run", "--local", ARITHMETIC, f"--port={port}"],
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert done.returncode == 2
    assert f"expected a number from 0 to 65535, got {port}" in done.stderr
    assert "Traceback" not in done.stderr


def test_it_is_ready_soon_after_its_libraries_are_imported(
    tmp_path: Path, say_at_the_end: Any
) -> None:
    """Three seconds on an idle machine; numpy is what the graph itself imports."""
    file = tmp_path / "plain.py"
    file.write_text(
        "from umbel import inference_graph\n@inference_graph\ndef plain(x):\n    return x\n"
    )
    took = []
    for _ in range(2):  # the first run may have to read from a cold disk
        run = Run(str(file), "--port", "0")
        try:
            run.urls(1)
            took.append(time.monotonic() - run.began)
        finally:
            run.stop(signal.SIGTERM)
            run.end()
    say_at_the_end(f"umbel run --local: ready after {min(took):.2f} s")
    assert min(took) < 3
