"""``ModelStreamInfer`` through Triton's own clients: several responses to one request."""

from __future__ import annotations

import asyncio
import queue
from collections.abc import AsyncIterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from umbel.graph.source import PythonFile, graphs_in

pytest.importorskip("grpc")
triton = pytest.importorskip("tritonclient.grpc.aio")
blocking = pytest.importorskip("tritonclient.grpc")

from loopback_grpc import serving_grpc  # noqa: E402

FILE = Path(__file__).parents[2] / "graphs" / "streams.py"
GRAPHS: dict[str, Any] = {one.name: one for one in graphs_in(PythonFile(str(FILE)))}


@pytest.fixture()
async def port() -> AsyncIterator[int]:
    names = ("spoken", "whole", "multiples")
    async with serving_grpc(*(GRAPHS[name] for name in names)) as server:
        yield server.port


def text(words: str) -> list[Any]:
    given = triton.InferInput("text", [1], "BYTES")
    given.set_data_from_numpy(np.array([words.encode()], object))
    return [given]


def asked(model: str, words: str, id: str, **parameters: Any) -> dict[str, Any]:
    return {
        "model_name": model, "inputs": text(words), "request_id": id, **parameters,
    }  # fmt: skip


async def told(port: int, *requests: dict[str, Any], **options: Any) -> list[tuple[Any, ...]]:
    """Id, text and the final mark of each response; id and error of a failure."""

    async def sent() -> AsyncIterator[dict[str, Any]]:
        for request in requests:
            yield request

    found: list[tuple[Any, ...]] = []
    async with triton.InferenceServerClient(f"127.0.0.1:{port}") as client:
        async for result, error in client.stream_infer(sent(), **options):
            if error is not None:
                found.append((error.message(),))
                continue
            response = result.get_response()
            final = response.parameters["triton_final_response"].bool_param
            value = result.as_numpy("output-0")
            found.append((response.id, None if value is None else value[0].decode(), final))
    return found


async def test_a_response_for_each_item_in_order_of_the_requests(port: int) -> None:
    found = await told(
        port, asked("spoken", "a b", "1"), asked("whole", "c d", "2"), asked("spoken", "e", "3")
    )
    assert found == [
        ("1", "A", False), ("1", "B", False), ("2", "C D", True), ("3", "E", False),
    ]  # fmt: skip


async def test_no_items_are_an_empty_final_response(port: int) -> None:
    assert await told(port, asked("spoken", "", "2")) == [("2", None, True)]


async def test_an_error_ends_its_request_and_not_the_stream(port: int) -> None:
    found = await told(
        port,
        asked("spoken", "a bad", "1"),
        asked("nobody", "a", "2"),
        asked("spoken", "refused", "3"),
        asked("spoken", "b", "4"),
    )
    assert found[0] == ("1", "A", False)
    assert "node 'words' failed" in found[1][0]
    assert "secret" not in found[1][0]
    assert "does not exist" in found[2][0]
    assert "no such word" in found[3][0]
    assert found[4] == ("4", "B", False)


async def test_one_request_gets_all_items_in_one_response(port: int) -> None:
    given = triton.InferInput("x", [2], "INT64")
    given.set_data_from_numpy(np.array([1, 2]))
    async with triton.InferenceServerClient(f"127.0.0.1:{port}") as client:
        result = await client.infer("multiples", [given])
    assert result.as_numpy("output-0").tolist() == [[1, 2], [2, 4], [3, 6]]


async def test_a_client_that_leaves_closes_the_generator(
    port: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("UMBEL_TEST_FOLDER", str(tmp_path))

    async def sent() -> AsyncIterator[dict[str, Any]]:
        yield asked("spoken", "a " * 1000, "1")
        await asyncio.sleep(30)

    async with triton.InferenceServerClient(f"127.0.0.1:{port}") as client:
        responses = client.stream_infer(sent())
        async for _ in responses:
            responses.cancel()
            break
    for _ in range(200):
        if (tmp_path / "closed").exists():
            break
        await asyncio.sleep(0.02)
    assert (tmp_path / "closed").exists()


@pytest.mark.parametrize("final", [False, True])
async def test_the_blocking_client(port: int, final: bool) -> None:
    answers: queue.Queue[Any] = queue.Queue()

    def received(answers: queue.Queue[Any], result: Any, error: Any) -> None:
        mark = result.get_response().parameters["triton_final_response"].bool_param
        answers.put(error or (mark, result.as_numpy("output-0")))

    def talk() -> None:
        with blocking.InferenceServerClient(f"127.0.0.1:{port}") as client:
            client.start_stream(callback=partial(received, answers))
            given = blocking.InferInput("text", [1], "BYTES")
            given.set_data_from_numpy(np.array([b"a b c"], object))
            client.async_stream_infer("spoken", [given], enable_empty_final_response=final)
            client.stop_stream()

    await asyncio.to_thread(talk)
    found = [answers.get_nowait() for _ in range(answers.qsize())]
    expected = [(False, b"A"), (False, b"B"), (False, b"C"), *([(True, None)] if final else [])]
    assert [(mark, None if value is None else value[0]) for mark, value in found] == expected
