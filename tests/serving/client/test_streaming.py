"""Streams through the data plane's client: over HTTP and gRPC, waiting and with asyncio."""

from __future__ import annotations

import asyncio
import contextlib
import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from loopback_grpc import serving_grpc
from loopback_server import Client, serving
from neighbours import neighbour
from scripted_server import EVENTS, LAST, chunk, scripted_server, whole
from umbel import (
    AsyncInferenceClient,
    DeadlineExceeded,
    InferenceClient,
    InvalidInput,
    Retry,
)
from umbel.graph.errors import NotImplementedHere, RequestFailed, UpstreamAnswered
from umbel.serving.client.event_parts import EventParts

GRAPHS = neighbour(Path(__file__).parents[2] / "graphs" / "streams.py")
QUICK = Retry(attempts=3, backoff_ms=1)
TEXT = {"text": np.array(["a b c"])}


def event(value: object) -> bytes:
    return chunk(b"data: " + json.dumps(value).encode() + b"\n\n")


@pytest.fixture(scope="module")
def server() -> Iterator[Client]:
    with serving(GRAPHS.spoken, GRAPHS.multiples, GRAPHS.whole) as client:
        yield client


@pytest.fixture()
def client(server: Client) -> Iterator[InferenceClient]:
    with InferenceClient(f"http://127.0.0.1:{server.port}/spoken") as one:
        yield one


@pytest.fixture()
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where the graphs' code notes that it was closed."""
    monkeypatch.setenv("UMBEL_TEST_FOLDER", str(tmp_path))
    return tmp_path


def await_file(file: Path) -> None:
    end = time.monotonic() + 5
    while not file.exists():
        assert time.monotonic() < end, f"no {file.name}"
        time.sleep(0.01)


def test_every_verb(client: InferenceClient) -> None:
    assert [one.array.tolist() for one in client.infer_stream(TEXT)] == [["A"], ["B"], ["C"]]
    assert [one.array.tolist() for one in client.infer_stream(np.array(["a"]))] == [["A"]]
    assert list(client.predict_stream(["a b"])) == ["A", "B"]
    assert list(client.call_stream({"text": "a b"})) == [{"output": "A"}, {"output": "B"}]
    texts = [one["text_output"] for one in client.generate_stream("a b")]
    assert texts == ["A", "B"]
    assert client.generate({"text": "a b"})["text_output"] == "AB"


def test_tensors_of_every_item(server: Client) -> None:
    with InferenceClient(f"http://127.0.0.1:{server.port}/multiples") as client:
        found = [one.array for one in client.infer_stream(np.array([1, 2]))]
    assert [one.tolist() for one in found] == [[1, 2], [2, 4], [3, 6]]
    assert {one.dtype for one in found} == {np.dtype("int64")}


def test_a_server_that_does_not_stream_gives_one_item(server: Client) -> None:
    with InferenceClient(f"http://127.0.0.1:{server.port}/whole") as client:
        (only,) = client.infer_stream(TEXT)
    assert only.array.tolist() == ["A B C"]
    answer = {"model_name": "m", "outputs": []}
    body = json.dumps(answer).encode()
    with (
        scripted_server([whole(body, b"content-type: application/json")]) as another,
        InferenceClient(f"{another.url}/m") as other,
    ):
        assert [one.outputs for one in other.infer_stream({"x": [1.0]})] == [{}]


async def test_the_same_with_asyncio(server: Client, folder: Path) -> None:
    async with AsyncInferenceClient(f"http://127.0.0.1:{server.port}/spoken") as client:
        found = [one.array.tolist() async for one in client.infer_stream(TEXT)]
        assert found == [["A"], ["B"], ["C"]]
        (folder / "closed").unlink()
        async with contextlib.aclosing(client.generate_stream("a " * 1000)) as items:
            async for _ in items:
                break
        await asyncio.to_thread(await_file, folder / "closed")
        (folder / "closed").unlink()
        task = asyncio.ensure_future(_all(client.generate_stream("a " * 1000)))
        await asyncio.sleep(0.3)
        task.cancel()
        await asyncio.to_thread(await_file, folder / "closed")


async def _all(items: Any) -> list[Any]:
    return [one async for one in items]


def test_letting_go_ends_the_work(client: InferenceClient, folder: Path) -> None:
    for _ in client.generate_stream("a " * 1000):
        break
    await_file(folder / "closed")


def test_closing_the_client_ends_its_streams(server: Client, folder: Path) -> None:
    client = InferenceClient(f"http://127.0.0.1:{server.port}/spoken")
    items = client.generate_stream("a " * 1000)
    next(items)
    client.close()
    await_file(folder / "closed")
    with pytest.raises(RuntimeError, match="closed"):
        next(items)


def test_errors_have_their_kind_wherever_they_come(client: InferenceClient) -> None:
    with pytest.raises(InvalidInput, match="no such word"):
        next(client.generate_stream("refused"))
    items = client.generate_stream("a refused")
    next(items)
    with pytest.raises(InvalidInput, match="no such word"):
        next(items)
    found: list[Any] = []
    with pytest.raises(UpstreamAnswered, match="words") as failed:
        found.extend(client.infer_stream({"text": np.array(["a bad"])}))
    assert failed.value.code == 500


def test_deadlines(client: InferenceClient, folder: Path) -> None:
    with pytest.raises(DeadlineExceeded, match=r"whole stream.* within 0\.2 s"):
        list(client.generate_stream("a b c d e f", timeout_s=0.2))
    with pytest.raises(DeadlineExceeded, match=r"no item from .* within 0\.02 s"):
        list(client.generate_stream("a b c d e f", item_timeout_s=0.02))
    await_file(folder / "closed")


def test_no_attempt_after_the_first_item() -> None:
    one = event({"predictions": 1})
    with (
        scripted_server([EVENTS, one, 0.3, b""]) as server,
        InferenceClient(f"{server.url}/m", retry=QUICK) as client,
    ):
        items = client.predict_stream([1])
        assert next(items) == 1
        with pytest.raises(RequestFailed, match="broke off after 1 items"):
            next(items)
        assert len(server.asked) == 1


def test_attempts_before_the_first_item() -> None:
    busy = whole(b"{}", status=b"503 Busy")
    good = [EVENTS, event({"predictions": 1}), LAST]
    with (
        scripted_server([busy, b""], [EVENTS, b""], good) as server,
        InferenceClient(f"{server.url}/m", retry=QUICK) as client,
    ):
        assert list(client.predict_stream([1])) == [1]
        assert len(server.asked) == 3
        assert "accept: text/event-stream" in server.asked[0].lower()
        assert "x-request-timeout-seconds" in server.asked[0].lower()


@pytest.mark.parametrize(
    ("script", "told"),
    [
        ([EVENTS, event({"error": "out of luck"}), LAST], "ended with an error: out of luck"),
        ([EVENTS, chunk(b'data: {"predictions": 1}\n'), LAST], "ended within an event"),
        ([EVENTS, chunk(b"data: x\n\n"), LAST], "not JSON"),
    ],
)
def test_no_silent_end(script: list[bytes], told: str) -> None:
    with (
        scripted_server(script) as server,
        InferenceClient(f"{server.url}/m", retry=QUICK) as client,
        pytest.raises(RequestFailed, match=told),
    ):
        list(client.predict_stream([1]))


def test_text_without_marks_as_it_comes() -> None:
    """What KServe's own server sends of a model that yields."""
    head = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n"
    with (
        scripted_server([head, chunk(b"one "), 0.1, chunk("zwölf".encode()), LAST]) as server,
        InferenceClient(f"{server.url}/m") as client,
    ):
        assert list(client.predict_stream([1])) == ["one ", "zwölf"]


def test_a_slow_reader_slows_the_server() -> None:
    item = event({"predictions": "x" * 100_000})
    with (
        scripted_server([EVENTS, *[item] * 400, LAST]) as server,
        InferenceClient(f"{server.url}/m") as client,
        contextlib.closing(client.predict_stream([1])) as items,
    ):
        next(items)
        time.sleep(0.5)
        sent = server.sent
        assert sent < 20_000_000  # what the sockets hold; all is 40 MB
        assert sum(1 for _ in items) == 399
    with (
        scripted_server([EVENTS, *[item] * 400, LAST]) as server,
        InferenceClient(f"{server.url}/m") as client,
    ):
        for _ in client.predict_stream([1]):
            break
        assert server.left.wait(5)


def test_an_item_over_the_limit() -> None:
    with (
        scripted_server([EVENTS, event({"predictions": "x" * 5000}), LAST]) as server,
        InferenceClient(f"{server.url}/m", message_limit=1000) as client,
        pytest.raises(RequestFailed, match="more than 1000 bytes"),
    ):
        next(client.predict_stream([1]))


@given(st.data())
def test_events_whatever_their_pieces(data: st.DataObject) -> None:
    """The same events however the bytes are cut, with every line end."""
    texts = data.draw(st.lists(st.text("ab{}: é", min_size=1), max_size=4))
    newline = data.draw(st.sampled_from(["\n", "\r\n", "\r"]))
    lines = [line for text in texts for line in (": note", "id: 1", f"data: {text}", "")]
    stream = "".join(line + newline for line in lines).encode()
    cuts = data.draw(st.lists(st.integers(0, len(stream)), max_size=8).map(sorted))
    parts = EventParts(1000)
    found = []
    for start, end in zip([0, *cuts], [*cuts, len(stream)], strict=True):
        found += parts.feed(stream[start:end])
    assert [one.decode() for one in found] == texts
    assert not parts.cut


async def test_over_grpc(folder: Path) -> None:
    pytest.importorskip("grpc")
    async with (
        serving_grpc(GRAPHS.spoken, GRAPHS.multiples, GRAPHS.whole) as server,
        AsyncInferenceClient(f"grpc://127.0.0.1:{server.port}/spoken", timeout_s=20) as client,
    ):
        found = [one.array.tolist() async for one in client.infer_stream(TEXT)]
        assert found == [["A"], ["B"], ["C"]]
        asked = {"triton_enable_empty_final_response": True}
        rows = client.infer_stream({"x": np.array([1, 2])}, model="multiples", parameters=asked)
        assert [one.array.tolist() async for one in rows] == [[1, 2], [2, 4], [3, 6]]
        (only,) = await _all(client.infer_stream(TEXT, model="whole"))
        assert only.array.tolist() == ["A B C"]
        for text, kind in (("refused", InvalidInput), ("a bad", UpstreamAnswered)):
            with pytest.raises(kind):
                await _all(client.infer_stream({"text": np.array([text])}))
        long = {"text": np.array(["a " * 1000])}
        with pytest.raises(DeadlineExceeded):
            await _all(client.infer_stream(long, timeout_s=0.2))
        with pytest.raises(DeadlineExceeded, match=r"no item .* 0\.02 s"):
            await _all(client.infer_stream(long, item_timeout_s=0.02))
        await asyncio.to_thread(await_file, folder / "closed")
        await asyncio.sleep(0.3)
        (folder / "closed").unlink()
        async with contextlib.aclosing(client.infer_stream(long)) as items:
            async for _ in items:
                break
        await asyncio.to_thread(await_file, folder / "closed")
        with pytest.raises(NotImplementedHere, match="use an http:// URL"):
            await _all(client.generate_stream("a"))


async def test_a_grpc_server_that_goes_away() -> None:
    pytest.importorskip("grpc")
    async with serving_grpc(GRAPHS.spoken) as server:
        url = f"grpc://127.0.0.1:{server.port}/spoken"
        async with AsyncInferenceClient(url, retry=QUICK) as client:
            items = client.infer_stream({"text": np.array(["a " * 1000])})
            await anext(items)
            await server.stop(0)
            with pytest.raises(RequestFailed, match=r"broke off after \d+ items"):
                await _all(items)
            with pytest.raises(RequestFailed, match="does not answer"):
                await _all(client.infer_stream(TEXT))
