"""Streams that go into nodes apart, and classes apart that yield: item by item, and bounded."""

from __future__ import annotations

import http.client
import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

import event_client
from free_ports import free_port
from loopback_server import Client
from umbel_run import umbel_run

pytest.importorskip("ray.serve")
pytestmark = [pytest.mark.ray, pytest.mark.slow]

GRAPHS = Path(__file__).parents[2] / "graphs"
FILES = (GRAPHS / "streams_apart.py", GRAPHS / "yielding_class.yaml")
NAMES = 7
PAUSE_S = 0.06
"""Seconds between two words of these graphs."""


class Run(NamedTuple):
    client: Client
    folder: Path

    def was_closed(self) -> bool:
        mark, end = self.folder / "closed", time.monotonic() + 10
        while not mark.exists() and time.monotonic() < end:
            time.sleep(0.05)
        found = mark.exists()
        mark.unlink(missing_ok=True)
        return found

    def made(self) -> int:
        return int((self.folder / "made").read_text())


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Run]:
    port = free_port()
    folder = tmp_path_factory.mktemp("marks")
    words = ["--port", str(port), "--no-grpc", "--num-gpus", "1"]  # the class asks for a GPU
    with umbel_run(FILES, *words, urls=NAMES, variables={"UMBEL_TEST_FOLDER": str(folder)}):
        yield Run(Client(port), folder)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("fed", ["0:a", "1:b", "2:c"]),
        ("far", ["0:a", "0:a1:b", "1:b2:c"]),
        ("collected", "a b c"),
        ("two", ["a", "b"]),
    ],
)
def test_what_they_give(run: Run, name: str, expected: object) -> None:
    assert run.client.post(f"/{name}", {"text": "a b c"}).json == {"output": expected}
    many = " ".join(map(str, range(60)))
    answer = run.client.post(f"/{name}", {"text": many})
    assert (answer.status, len(answer.json["output"])) == (
        200,
        {"two": 2}.get(name) or len(many if name == "collected" else many.split()),
    )


@pytest.mark.parametrize("name", ["fed", "far"])
def test_nothing_holds_an_item_back(run: Run, name: str) -> None:
    list(event_client.events(run.client.port, f"/{name}", {"text": "a"}))
    found = list(event_client.events(run.client.port, f"/{name}", {"text": "a " * 20}))
    assert len(found) == 20
    assert found[0].seconds < 20 * PAUSE_S / 2
    assert found[-1].seconds - found[0].seconds > 20 * PAUSE_S / 2


@pytest.mark.parametrize("name", ["fed", "far"])
def test_a_client_that_leaves_closes_every_generator(run: Run, name: str) -> None:
    (run.folder / "closed").unlink(missing_ok=True)
    found = event_client.events(run.client.port, f"/{name}", {"text": "a " * 200})
    next(found)
    found.close()
    assert run.was_closed()


def test_a_node_that_stops_reading_closes_the_generator(run: Run) -> None:
    (run.folder / "closed").unlink(missing_ok=True)
    assert run.client.post("/two", {"text": "a " * 200}).json == {"output": ["a", "a"]}
    assert run.was_closed()


@pytest.mark.parametrize(("name", "node"), [("fed", "words"), ("far", "words_apart")])
def test_errors(run: Run, name: str, node: str) -> None:
    assert run.client.post(f"/{name}", {"text": "a refused"}).error == "no such word"
    failed = run.client.post(f"/{name}", {"text": "a bad"}, x_request_id="r")
    assert (failed.status, failed.error) == (500, f"node {node!r} failed (request r)")


def test_values_deeper_than_pickle_goes(run: Run) -> None:
    for levels in (100, 1_000):
        value = b"[" * levels + b"]" * levels
        answer = run.client.ask("POST", "/echo", b'{"x":' + value + b"}")
        assert (answer.status, answer.body) == (200, b'{"output":' + value + b"}")
    assert run.client.ask("POST", "/echo", b"[" * 100_000).status == 400
    assert run.client.post("/echo", {"x": 1}).json == {"output": 1}


def test_a_slow_client_slows_a_generator_apart(run: Run) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", run.client.port, timeout=60)
    connection.request(
        "POST", "/flooded", json.dumps({"count": 500}), {"accept": "text/event-stream"}
    )
    reply = connection.getresponse()
    assert reply.readline().startswith(b"data: ")
    time.sleep(1.5)
    seen = run.made()
    time.sleep(1.5)
    assert run.made() == seen, "the generator goes on though nobody reads"
    assert seen < 250, "100 MB were made ahead of the reader"
    events = 1 + sum(line.startswith(b"data: ") for line in reply)
    assert (events, run.made()) == (500, 500)
    connection.close()


def test_a_class_apart_that_yields(run: Run) -> None:
    path, body = "/yielding/v1/models/yielding:predict", {"instances": ["a"] * 20}
    answer = run.client.post(path, body)
    assert (answer.status, answer.body) == (200, b"a" * 20)
    assert answer.headers["transfer-encoding"] == "chunked"
    found = list(event_client.events(run.client.port, path, body))
    assert [event.data for event in found] == ["a"] * 20
    assert found[0].seconds < 20 * PAUSE_S / 2
    assert found[-1].seconds - found[0].seconds > 20 * PAUSE_S / 2
    (run.folder / "closed").unlink(missing_ok=True)
    leaving = event_client.events(run.client.port, path, {"instances": ["a"] * 200})
    next(leaving)
    leaving.close()
    assert run.was_closed()
    *_, last = event_client.events(run.client.port, path, {"instances": ["a", "bad"]})
    assert set(last.data) == {"error", "status"}
    assert "secret" not in last.data["error"]
