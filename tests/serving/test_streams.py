"""Streams from a node's ``yield`` to a client: item by item, in order, and ended with care."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import event_client
from loopback_server import Client, serving
from umbel import (
    DeadlineExceeded,
    NodeFailed,
    inference_graph,
    otherwise,
    switch,
    transformer,
    when,
)
from umbel.graph.source import PythonFile, graphs_in

FILE = Path(__file__).parents[1] / "graphs" / "streams.py"
PAUSE_S = 0.06
"""Seconds between two words of these graphs."""

GRAPHS: dict[str, Any] = {one.name: one for one in graphs_in(PythonFile(str(FILE)))}


@transformer
def counted(n: int) -> Iterator[int]:
    yield from range(n)


@transformer
async def counted_async(n: int) -> AsyncIterator[int]:
    for i in range(n):
        yield i


@transformer
def doubled(i: int) -> int:
    return 2 * i


@transformer
def twice(i: int) -> Iterator[int]:
    yield i
    yield i


@transformer
def running_sum(items: Iterator[int]) -> Iterator[int]:
    total = 0
    for item in items:
        total += item
        yield total


@transformer
async def total(items: AsyncIterator[int]) -> int:
    return sum([item async for item in items])


@transformer
def largest(items: Iterator[int]) -> int:
    return max(items, default=-1)


@inference_graph
def sums(n):
    return running_sum(twice(doubled(counted(n))))


@inference_graph
def totals(n):
    return total(doubled(counted_async(n)))


@inference_graph
def either(n):
    return switch(when(n > 3, doubled(counted(n))), otherwise(counted_async(n)))


@inference_graph
def peak(n):
    return largest(counted(n))


@transformer(timeout_s=0.2)
def stalls(n: int) -> Iterator[int]:
    yield n
    time.sleep(1.5)
    yield n


attempts: list[int] = []


@transformer(retries=2)
def starts_late(n: int) -> Iterator[int]:
    attempts.append(n)
    if len(attempts) < 3:
        raise ConnectionError("not yet")
    yield n


@inference_graph
def stalling(n):
    return stalls(n)


@inference_graph
def patient(n):
    return starts_late(n)


@inference_graph
def listed(items):
    return running_sum(items)


@inference_graph
def plain(n):
    return doubled(n)


@pytest.fixture(scope="module")
def client() -> Iterator[Client]:
    names = ("spoken", "chained", "spelled", "whole", "nested", "multiples")
    with serving(*(GRAPHS[name] for name in names), listed, stalling, plain) as client:
        yield client


@settings(max_examples=10, deadline=None)
@given(st.integers(0, 12))
def test_a_stream_gives_what_the_code_gives(n: int) -> None:
    expected, total = [], 0
    for i in range(n):
        for _ in range(2):
            total += 2 * i
            expected.append(total)
    assert list(sums.local(n)) == expected
    assert totals.local(n) == n * (n - 1)
    assert list(either.local(n)) == [(2 if n > 3 else 1) * i for i in range(n)]
    assert peak.local(n) == n - 1


def test_a_node_that_yields_can_be_called_by_hand() -> None:
    assert list(counted(3)) == [0, 1, 2]
    assert list(listed.local([1, 2, 3])) == [1, 3, 6]


def test_retries_hold_until_the_first_item() -> None:
    assert list(patient.local(7)) == [7]
    assert attempts == [7, 7, 7]


def test_the_time_limit_holds_for_each_item() -> None:
    items = stalling.local(1)
    assert next(items) == 1
    with pytest.raises(DeadlineExceeded, match="no further item from 'stalls' within 0.2 s"):
        next(items)


@pytest.mark.parametrize(
    ("path", "key", "expected"),
    [
        ("/spoken", "output", ["A", "B", "C"]),
        ("/chained", "output", ["0:A", "0:A1:B", "1:B2:C"]),
        ("/nested", "output", ["0:A", "0:A1:B", "1:B2:C"]),
        ("/spelled", "output", ["A", "B", "C"]),
        ("/spoken/v2/models/spoken/generate_stream", "text_output", ["A", "B", "C"]),
        ("/whole/v2/models/whole/generate_stream", "text_output", ["A B C"]),
    ],
)
def test_an_event_for_each_item(client: Client, path: str, key: str, expected: list[str]) -> None:
    found = list(event_client.events(client.port, path, {"text": "a b c"}))
    assert [event.data[key] for event in found] == expected


def test_an_item_is_sent_when_it_is_made(client: Client) -> None:
    first, second, third = event_client.events(client.port, "/chained", {"text": "a b c"})
    assert second.seconds - first.seconds > PAUSE_S / 2
    assert third.seconds - second.seconds > PAUSE_S / 2


def test_each_verb_answers_with_its_own_body(client: Client) -> None:
    def asked(path: str, body: object) -> list[Any]:
        return [event.data for event in event_client.events(client.port, path, body)]

    v1 = asked("/spoken/v1/models/spoken:predict", {"instances": ["a b"]})
    assert v1 == [{"predictions": "A"}, {"predictions": "B"}]
    x = {"name": "x", "datatype": "INT64", "shape": [2], "data": [1, 2]}
    v2 = asked("/multiples/v2/models/multiples/infer", {"id": "7", "inputs": [x]})
    assert {one["id"] for one in v2} == {"7"}
    assert [one["outputs"][0]["data"] for one in v2] == [[1, 2], [2, 4], [3, 6]]
    assert v2[0]["outputs"][0]["datatype"] == "INT64"


def test_a_client_that_takes_no_events_gets_all_items(client: Client) -> None:
    assert client.post("/spoken", {"text": "a b"}).json == {"output": ["A", "B"]}
    predicted = client.post("/spoken/v1/models/spoken:predict", {"instances": ["a b"]})
    assert predicted.json == {"predictions": ["A", "B"]}
    x = {"name": "x", "datatype": "INT64", "shape": [2], "data": [1, 2]}
    inferred = client.post("/multiples/v2/models/multiples/infer", {"inputs": [x]}).json
    assert inferred["outputs"][0]["shape"] == [3, 2]
    assert inferred["outputs"][0]["data"] == [1, 2, 2, 4, 3, 6]
    assert client.post("/listed", {"items": [1, 2]}).json == {"output": [1, 3]}


def test_generate_takes_plain_json(client: Client) -> None:
    path = "/spoken/v2/models/spoken/generate"
    answer = client.post(path, {"text_input": "a b", "id": "7"})
    assert answer.json == {"model_name": "spoken", "id": "7", "text_output": "AB"}
    assert client.post("/plain/v2/models/plain/generate", {"n": 4}).json["output-0"] == 8
    wrong = client.post(path, {"text": "a", "parameters": {"temperature": 1}})
    assert (wrong.status, wrong.error) == (
        400,
        "expected inputs ['text']; unknown: ['temperature']",
    )
    assert client.post(path, {}).error == "expected inputs ['text']; missing: ['text']"
    assert client.post(path, []).status == client.post(path, {"text": 5}).status == 400
    assert client.post(path, {"text": "a", "parameters": 5}).status == 400


def test_an_error_before_the_first_item_has_its_status(client: Client) -> None:
    for accept in ("text/event-stream", "*/*"):
        assert client.post("/spoken", {"text": "refused"}, accept=accept).error == "no such word"
        failed = client.post("/spoken", {"text": "bad"}, accept=accept, x_request_id="r1")
        assert (failed.status, failed.error) == (500, "node 'words' failed (request r1)")


def test_an_error_later_is_the_last_event(client: Client) -> None:
    found = list(
        event_client.events(client.port, "/chained", {"text": "a bad c"}, x_request_id="r")
    )
    assert [event.data for event in found] == [
        {"output": "0:A"},
        {"error": "node 'words' failed (request r)", "status": 500},
    ]
    whole = client.post("/spoken", {"text": "a bad c"})
    assert whole.status == 500


def test_the_deadline_ends_a_stream(client: Client) -> None:
    body = {"text": "a b c d e f"}
    found = list(event_client.events(client.port, "/spoken", body, x_request_timeout_seconds="0.2"))
    late = {"error": "the deadline passed while 'spoken' answered", "status": 504}
    assert found[-1].data == late
    assert len(found) < 6
    assert client.post("/spoken", body, x_request_timeout_seconds="0.2").status == 504


def test_a_client_that_leaves_closes_the_generator(
    client: Client, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("UMBEL_TEST_FOLDER", str(tmp_path))
    for path in ("/spoken", "/chained"):
        found = event_client.events(client.port, path, {"text": "a " * 1000})
        assert next(found).data
        found.close()
        end = time.monotonic() + 5
        while not (tmp_path / "closed").exists() and time.monotonic() < end:
            time.sleep(0.02)
        (tmp_path / "closed").unlink()


def test_an_abandoned_local_stream_is_closed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("UMBEL_TEST_FOLDER", str(tmp_path))
    items = GRAPHS["spoken"].local("a b c")
    assert next(items) == "A"
    items.close()
    assert (tmp_path / "closed").exists()
    with pytest.raises(NodeFailed):
        list(GRAPHS["spoken"].local("bad"))


def test_a_stream_is_counted_at_its_end(client: Client) -> None:
    list(event_client.events(client.port, "/spoken", {"text": "a"}))
    time.sleep(0.1)
    text = client.get("/spoken/metrics").body.decode()
    assert 'umbel_requests_total{graph="spoken",status="200"}' in text
    assert 'umbel_node_seconds_count{graph="spoken",node="words"}' in text
    path = client.post("/spoken", {"text": "a"}, umbel_path="1").headers["umbel-path"]
    assert set(path.split(" > ")) == {"words", "upper"}


def test_documents_tell_what_a_whole_answer_is(client: Client) -> None:
    document = client.get("/spoken/openapi.json").json
    assert document["openapi"].startswith("3.1")
    (output,) = client.get("/spoken/v2/models/spoken").json["outputs"]
    assert (output["datatype"], output["shape"]) == ("BYTES", [-1])
    text = {"name": "text", "datatype": "BYTES", "shape": [1], "data": ["a b"]}
    answer = client.post("/spoken/v2/models/spoken/infer", {"inputs": [text]})
    (whole,) = answer.json["outputs"]
    assert (whole["datatype"], whole["shape"], whole["data"]) == ("BYTES", [2], ["A", "B"])


def test_arrays_are_handed_on_as_they_are() -> None:
    items = list(GRAPHS["multiples"].local(np.array([1, 2])))
    assert [item.tolist() for item in items] == [[1, 2], [2, 4], [3, 6]]
