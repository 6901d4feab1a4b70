"""Retries and deadlines of the data plane's client, against a server with faults."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from faulty_server import DROP, FaultyServer, faulty_server
from umbel import AsyncInferenceClient, DeadlineExceeded, InferenceClient, InvalidInput, Retry
from umbel.graph.errors import NotReady, RequestFailed, UpstreamAnswered

QUICK = Retry(attempts=4, backoff_ms=1)
ANSWER = json.dumps({"predictions": [7]}).encode()


@pytest.fixture()
def server() -> Iterator[FaultyServer]:
    with faulty_server() as state:
        state.body = ANSWER
        yield state


def test_faults_that_pass(server: FaultyServer) -> None:
    server.faults = [503, DROP, 502]
    with InferenceClient(f"{server.url}/m", retry=QUICK) as client:
        assert client.predict([1]) == [7]
    assert len(server.requests) == 4
    assert {asked[3] for asked in server.requests} == {b'{"instances":[1]}'}
    assert {asked[1] for asked in server.requests} == {"/m/v1/models/m:predict"}


def test_faults_that_stay(server: FaultyServer) -> None:
    server.faults = [503] * 4
    with InferenceClient(f"{server.url}/m", retry=QUICK) as client:
        with pytest.raises(NotReady, match="503 for now"):
            client.predict([1])
        server.faults = [DROP] * 4
        with pytest.raises(RequestFailed, match="does not answer"):
            client.predict([1])
    assert len(server.requests) == 8


@pytest.mark.parametrize(
    ("status", "error"),
    [
        (400, InvalidInput),
        (429, UpstreamAnswered),
        (500, UpstreamAnswered),
        (302, UpstreamAnswered),
    ],
)
def test_answers_are_not_asked_for_again(
    server: FaultyServer, status: int, error: type[Exception]
) -> None:
    server.faults = [status]
    with (
        InferenceClient(f"{server.url}/m", retry=QUICK) as client,
        pytest.raises(error),
    ):
        client.predict([1])
    assert len(server.requests) == 1


def test_pauses_grow(server: FaultyServer) -> None:
    server.faults = [502, 502]
    with InferenceClient(f"{server.url}/m", retry=Retry(attempts=3, backoff_ms=80)) as client:
        client.predict([1])
    first, second, third = server.times
    assert 0.04 <= second - first < third - first
    assert third - second >= 0.08


def test_the_server_may_ask_for_a_longer_pause(server: FaultyServer) -> None:
    server.faults, server.retry_after = [503], "1"
    with InferenceClient(f"{server.url}/m", retry=QUICK) as client:
        client.predict([1])
    assert server.times[1] - server.times[0] >= 1


def test_no_attempt_outlives_the_deadline(server: FaultyServer) -> None:
    server.delay_s = 0.6
    begun = time.monotonic()
    with (
        InferenceClient(f"{server.url}/m", retry=QUICK, timeout_s=0.2) as client,
        pytest.raises(DeadlineExceeded, match=r"within 0\.2 s"),
    ):
        client.predict([1])
    assert time.monotonic() - begun < 0.6
    assert len(server.requests) == 1


def test_each_attempt_tells_what_is_left(server: FaultyServer) -> None:
    server.faults, server.delay_s = [503, 503], 0.05
    with InferenceClient(f"{server.url}/m", retry=QUICK, timeout_s=10) as client:
        client.predict([1])
    left = [float(asked[2]["x-request-timeout-seconds"]) for asked in server.requests]
    assert 9 < left[2] < left[1] - 0.04 < left[0] - 0.08 <= 10


async def test_headers_and_names(server: FaultyServer) -> None:
    async with AsyncInferenceClient(
        server.url, model="a/b c", headers={"authorization": "Bearer t"}
    ) as client:
        await client.predict([1], headers={"x-tenant": "me"})
    (_, path, headers, _) = server.requests[0]
    assert path == "/v1/models/a%2Fb%20c:predict"
    assert (headers["authorization"], headers["x-tenant"]) == ("Bearer t", "me")


def test_answers_that_make_no_sense(server: FaultyServer) -> None:
    server.body = b"<html>"
    with InferenceClient(f"{server.url}/m", retry=QUICK) as client:
        with pytest.raises(RequestFailed, match="is not JSON"):
            client.predict([1])
        with pytest.raises(RequestFailed, match="no V2 inference response"):
            client.infer({"x": [1.0]})
        server.body = b'{"outputs": 3}'
        with pytest.raises(RequestFailed, match="expected predictions"):
            client.predict([1])


def test_nobody_there() -> None:
    with InferenceClient("http://127.0.0.1:9/m", retry=QUICK) as client:
        assert not client.is_server_live()
        with pytest.raises(RequestFailed, match="does not answer"):
            client.predict([1])


def test_a_program_may_end_without_closing(server: FaultyServer) -> None:
    program = (
        f"from umbel import InferenceClient\nprint(InferenceClient('{server.url}/m').predict([1]))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=False
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "[7]\n", "")


def test_netrc_is_not_read(
    server: FaultyServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "netrc").write_text("machine 127.0.0.1 login a password b\n")
    (tmp_path / "netrc").chmod(0o600)
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    with InferenceClient(f"{server.url}/m") as client:
        client.predict([1], headers={"authorization": "Bearer t"})
        client.predict([1])
    assert [one[2].get("authorization") for one in server.requests] == ["Bearer t", None]


def test_a_proxy_of_the_environment(server: FaultyServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", server.url)
    monkeypatch.delenv("no_proxy", raising=False)
    with InferenceClient("http://models.example.com/m") as client:
        assert client.predict([1]) == [7]
    assert server.requests[0][1] == "http://models.example.com/m/v1/models/m:predict"
