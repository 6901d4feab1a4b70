"""Streams on Ray: through HAProxy item by item, between deployments, over gRPC, and closed."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest

import event_client
from free_ports import free_port_pair
from loopback_server import Client
from umbel_run import umbel_run

pytest.importorskip("ray.serve")
triton = pytest.importorskip("tritonclient.grpc.aio")
pytestmark = [pytest.mark.ray, pytest.mark.slow]

FILE = Path(__file__).parents[2] / "graphs" / "streams.py"
NAMES = ("talk", "spoken", "apart", "chained", "spelled", "whole", "nested", "multiples")
PAUSE_S = 0.06
"""Seconds between two words of these graphs."""


class Run(NamedTuple):
    client: Client
    grpc: str
    folder: Path

    def was_closed(self) -> bool:
        mark, end = self.folder / "closed", time.monotonic() + 10
        while not mark.exists() and time.monotonic() < end:
            time.sleep(0.05)
        found = mark.exists()
        mark.unlink(missing_ok=True)
        return found


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Run]:
    port = free_port_pair()
    folder = tmp_path_factory.mktemp("marks")
    words = ["--port", str(port), "--grpc-port", str(port + 1)]
    with umbel_run(
        [FILE], *words, urls=len(NAMES) + 1, variables={"UMBEL_TEST_FOLDER": str(folder)}
    ):
        yield Run(Client(port), f"127.0.0.1:{port + 1}", folder)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("spoken", ["A", "B", "C"]),
        ("apart", ["A", "B", "C"]),
        ("chained", ["0:A", "0:A1:B", "1:B2:C"]),
        ("nested", ["0:A", "0:A1:B", "1:B2:C"]),
        ("spelled", ["A", "B", "C"]),
    ],
)
def test_an_event_for_each_item(run: Run, name: str, expected: list[str]) -> None:
    found = event_client.events(run.client.port, f"/{name}", {"text": "a b c"})
    assert [event.data["output"] for event in found] == expected
    assert run.client.post(f"/{name}", {"text": "a b c"}).json == {"output": expected}


@pytest.mark.parametrize("name", ["spoken", "apart"])
def test_nothing_holds_an_item_back(run: Run, name: str) -> None:
    text = "a " * 20
    list(event_client.events(run.client.port, f"/{name}", {"text": "a"}))
    found = list(event_client.events(run.client.port, f"/{name}", {"text": text}))
    assert len(found) == 20
    whole = 20 * PAUSE_S
    assert found[0].seconds < whole / 2
    assert found[-1].seconds - found[0].seconds > whole / 2


@pytest.mark.parametrize("name", ["spoken", "apart"])
def test_errors(run: Run, name: str) -> None:
    node = "words" if name == "spoken" else "words_apart"
    assert run.client.post(f"/{name}", {"text": "refused"}).error == "no such word"
    failed = run.client.post(f"/{name}", {"text": "bad"}, x_request_id="r")
    assert (failed.status, failed.error) == (500, f"node {node!r} failed (request r)")
    body = {"text": "a bad"}
    found = list(event_client.events(run.client.port, f"/{name}", body, x_request_id="r"))
    assert [event.data for event in found] == [
        {"output": "A"},
        {"error": f"node {node!r} failed (request r)", "status": 500},
    ]


@pytest.mark.parametrize("name", ["spoken", "apart"])
def test_a_client_that_leaves_closes_the_generator(run: Run, name: str) -> None:
    (run.folder / "closed").unlink(missing_ok=True)
    found = event_client.events(run.client.port, f"/{name}", {"text": "a " * 200})
    assert next(found).data == {"output": "A"}
    found.close()
    assert run.was_closed()


@pytest.mark.parametrize("name", ["spoken", "apart"])
def test_the_deadline_ends_a_stream(run: Run, name: str) -> None:
    (run.folder / "closed").unlink(missing_ok=True)
    body = {"text": "a " * 200}
    found = list(
        event_client.events(run.client.port, f"/{name}", body, x_request_timeout_seconds="0.5")
    )
    late = {"error": f"the deadline passed while {name!r} answered", "status": 504}
    assert found[-1].data == late
    assert run.was_closed()


def test_openai_s_api_of_a_model_apart(run: Run) -> None:
    (run.folder / "closed").unlink(missing_ok=True)
    path, body = "/talk/openai/v1/completions", {"model": "talk", "prompt": "a b"}
    assert run.client.post(path, body).json == {"text": "A B"}
    found = list(event_client.events(run.client.port, path, {**body, "stream": True}))
    assert [event.data for event in found] == [{"text": "a"}, {"text": "b"}, "[DONE]"]
    assert found[1].seconds - found[0].seconds > PAUSE_S / 2
    refused = run.client.post(path, {**body, "prompt": "refused"})
    assert (refused.status, refused.json["error"]["message"]) == (400, "no such word")
    assert run.client.post(path, {**body, "model": "x"}).status == 404
    wrong = run.client.post("/talk/openai/v1/embeddings", {"model": "talk", "input": "x"})
    assert (wrong.status, "does not offer embeddings" in wrong.json["error"]["message"]) == (
        400,
        True,
    )
    assert run.was_closed()
    long = event_client.events(
        run.client.port, path, {**body, "prompt": "a " * 200, "stream": True}
    )
    assert next(long).data == {"text": "a"}
    long.close()
    assert run.was_closed()


def asked(model: str, words: str, id: str) -> dict[str, Any]:
    given = triton.InferInput("text", [1], "BYTES")
    given.set_data_from_numpy(np.array([words.encode()], object))
    return {"model_name": model, "inputs": [given], "request_id": id}


async def test_grpc_streams(run: Run) -> None:
    async def sent() -> AsyncIterator[dict[str, Any]]:
        yield asked("spoken", "a b", "1")
        yield asked("apart", "c bad", "2")
        yield asked("whole", "d e", "3")

    found: list[Any] = []
    async with triton.InferenceServerClient(run.grpc) as client:
        async for result, error in client.stream_infer(sent()):
            value = error.message() if error else result.as_numpy("output-0")[0].decode()
            found.append(value)
    assert found[:3] == ["A", "B", "C"]
    assert found[3].startswith("node 'words_apart' failed (request ")
    assert found[4:] == ["D E"]


async def test_a_grpc_client_that_leaves_closes_the_generator(run: Run) -> None:
    (run.folder / "closed").unlink(missing_ok=True)

    async def sent() -> AsyncIterator[dict[str, Any]]:
        yield asked("apart", "a " * 200, "1")
        await asyncio.sleep(30)

    async with triton.InferenceServerClient(run.grpc) as client:
        responses = client.stream_infer(sent())
        async for _ in responses:
            responses.cancel()
            break
    assert await asyncio.to_thread(run.was_closed)
