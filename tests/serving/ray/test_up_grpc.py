"""gRPC on a cluster that outlives `umbel up`: one port for the graphs of several deployments."""

from __future__ import annotations

import socket
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from loopback_server import Client
from simulated_cluster import Umbel, cluster, free_port, wait_until

pytest.importorskip("ray.serve")
triton = pytest.importorskip("tritonclient.grpc.aio")
pytestmark = [pytest.mark.ray, pytest.mark.slow]

FILE = Path(__file__).parents[2] / "graphs" / "streams.py"


@pytest.fixture(scope="module")
def umbel() -> Iterator[Umbel]:
    with cluster({"num_cpus": 8}) as address:
        yield Umbel(address)


def text(words: str) -> Any:
    given = triton.InferInput("text", [1], "BYTES")
    given.set_data_from_numpy(np.array([words.encode()], object))
    return given


def row() -> Any:
    given = triton.InferInput("x", [2], "INT64")
    given.set_data_from_numpy(np.array([1, 2]))
    return given


def up(umbel: Umbel, graph: str, *words: str) -> list[str]:
    done = umbel("up", f"{FILE}:{graph}", *words)
    assert done.returncode == 0, done
    return [line.removeprefix("ready ") for line in done.stdout.splitlines()]


async def test_graphs_of_several_deployments_on_one_port(umbel: Umbel) -> None:
    port = free_port()
    http, grpc = up(umbel, "whole", "--port", str(umbel.port), "--grpc-port", str(port))
    assert (http, grpc) == (f"{http.rsplit('/', 1)[0]}/whole", f"grpc://127.0.0.1:{port}")
    assert up(umbel, "apart")[1] == grpc, "the front that is there answers for both"

    async def sent() -> AsyncIterator[dict[str, Any]]:
        yield {"model_name": "apart", "inputs": [text("a b c")], "request_id": "1"}
        yield {"model_name": "whole", "inputs": [text("d e")], "request_id": "2"}
        yield {"model_name": "nobody", "inputs": [row()], "request_id": "3"}

    async with triton.InferenceServerClient(f"127.0.0.1:{port}") as client:
        assert await client.is_server_ready()
        result = await client.infer("whole", [text("a b")])
        assert result.as_numpy("output-0").tolist() == [b"A B"]
        assert await client.is_model_ready("apart")
        index = await client.get_model_repository_index(as_json=True)
        assert [one["name"] for one in index["models"]] == ["apart", "whole"]
        found: list[Any] = []
        async for answer, error in client.stream_infer(sent()):
            found.append(error.message() if error else answer.as_numpy("output-0")[0].decode())
        assert found[:4] == ["A", "B", "C", "D E"]
        assert "nobody" in found[4]
        assert len(found) == 5

        await client.unload_model("whole")
        with pytest.raises(Exception, match="not ready"):
            await client.infer("whole", [text("a")])
        await client.load_model("whole")
        await client.infer("whole", [text("a")])

        assert umbel("down", "whole").returncode == 0
        with pytest.raises(Exception, match=r"NOT_FOUND.*whole"):
            await client.infer("whole", [text("a")])
        assert (await client.infer("apart", [text("a")])).as_numpy("output-0").tolist() == [b"A"]

    assert Client(int(http.rsplit(":", 1)[1].split("/")[0])).post("/apart", {"text": "a"}).status
    assert umbel("down", "apart").returncode == 0
    wait_until(lambda: not listens(port), 30)


def test_a_port_that_is_taken(umbel: Umbel) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        refused = umbel("up", f"{FILE}:whole", "--grpc-port", str(port))
    assert refused.returncode == 1
    assert f"port {port} on 127.0.0.1 cannot be used for gRPC" in refused.stderr
    gone = umbel("down", "whole")
    assert "it has none" in gone.stderr, "what came up beside it stayed"


def listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0
