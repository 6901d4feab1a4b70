"""A graph gives the same in Python, in process and on Ray, fused or with its nodes apart."""

from __future__ import annotations

import http.client
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest

from free_ports import free_port
from loopback_server import Answer, Client
from umbel.graph.source import PythonFile, graphs_in
from umbel.serving.protocols.json_bodies import encode_json
from umbel_run import umbel_run

pytest.importorskip("ray.serve")
pytestmark = [pytest.mark.ray]

FILE = Path(__file__).parents[2] / "graphs" / "generated.py"
INPUTS = [([0, 1, 2], [5, 5, 5]), ([7, 400, 12, 9], [1, 0, 999, 3]), ([], [])]


def served(*words: str) -> Iterator[Client]:
    """A client of ``umbel run`` on the generated graphs."""
    port = free_port()
    with umbel_run([FILE], "--port", str(port), "--no-grpc", *words, urls=3) as told:
        wanted = {f"ready http://127.0.0.1:{port}/{n}" for n in ("together", "fused", "split")}
        assert set(told) == wanted
        yield Client(port)


@pytest.fixture(scope="module")
def in_process() -> Iterator[Client]:
    yield from served("--local")


@pytest.fixture(scope="module")
def on_ray() -> Iterator[Client]:
    yield from served()


@pytest.fixture(scope="module")
def in_python() -> dict[str, Any]:
    return {graph.name: graph for graph in graphs_in(PythonFile(str(FILE)))}


@pytest.mark.parametrize("pair", INPUTS, ids=str)
def test_generated_graphs(
    pair: Any, in_python: dict[str, Any], in_process: Client, on_ray: Client
) -> None:
    x, y = pair
    expected = encode_json(in_python["together"].local(np.array(x), np.array(y)))
    for client in (in_process, on_ray):
        assert client.post("/together", {"x": x, "y": y}).body == expected


@pytest.mark.parametrize("x", [[1, 2, 3], [100, 250, 4, 8, 15], [0]], ids=str)
def test_nodes_apart_give_the_same_bytes(
    x: list[int], in_python: dict[str, Any], in_process: Client, on_ray: Client
) -> None:
    expected = encode_json(in_python["fused"].local(x))
    assert encode_json(in_python["split"].local(x)) == expected
    for client in (in_process, on_ray):
        for name in ("fused", "split"):
            assert client.post(f"/{name}", {"x": x}).body == expected
            for body, path in (
                ({"instances": x}, f"v1/models/{name}:predict"),
                ({"id": "q", "inputs": [tensor(x)]}, f"v2/models/{name}/infer"),
            ):
                answer = client.post(f"/{name}/{path}", body)
                same = in_process.post(f"/fused/{path.replace(name, 'fused')}", body)
                assert answer.body.replace(name.encode(), b"fused") == same.body


def tensor(x: list[int]) -> dict[str, Any]:
    return {"name": "x", "datatype": "INT64", "shape": [len(x)], "data": x}


@pytest.mark.parametrize(
    ("path", "body", "status"),
    [
        ("/NAME", {"x": [6, 7]}, 500),
        ("/NAME", {"x": [7, 7]}, 400),
        ("/NAME", {"x": [[1]]}, 400),
        ("/NAME", {"x": [1.5]}, 400),
        ("/NAME", b"{", 400),
        ("/NAME/v1/models/NAME:predict", {"instances": "x"}, 400),
        ("/NAME/v2/models/NAME/infer", {"inputs": [{"name": "x"}]}, 400),
        ("/NAME/v2/models/other/infer", {}, 404),
        ("/NAME/nowhere", {}, 404),
        ("/NAME/v2/health/live", {}, 405),
    ],
)
def test_errors_are_the_same(
    path: str, body: Any, status: int, in_process: Client, on_ray: Client
) -> None:
    told = []
    for client in (in_process, on_ray):
        for name in ("fused", "split"):
            answer = client.post(path.replace("NAME", name), body, x_request_id="r1")
            assert answer.status == status, answer
            assert answer.headers["x-request-id"] == "r1"
            told.append(answer.error.replace(name, "NAME"))
    assert len(set(told)) == 1, told
    assert "secret" not in told[0]


def test_pages_are_the_same(in_process: Client, on_ray: Client) -> None:
    for path in ("/fused", "/fused/v2/models/fused", "/fused/openapi.json", "/fused/v2"):
        ours, theirs = in_process.get(path), on_ray.get(path)
        assert (ours.status, ours.body) == (theirs.status, theirs.body)
        assert ours.headers["content-type"] == theirs.headers["content-type"]
        assert on_ray.ask("HEAD", path).status == 200


def test_the_path_taken_is_the_same(in_process: Client, on_ray: Client) -> None:
    for name in ("fused", "split"):
        answers = [
            client.post(f"/{name}", {"x": [1, 2, 3]}, umbel_path="1")
            for client in (in_process, on_ray)
        ]
        assert len({_path(answer) for answer in answers}) == 1


def _path(answer: Answer) -> tuple[str, ...]:
    steps, _, branches = answer.headers["umbel-path"].partition("; ")
    return (*sorted(steps.split(" > ")), branches)


def test_requests_on_a_kept_connection(on_ray: Client) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", on_ray.port, timeout=20)
    bodies = set()
    for _ in range(20):
        connection.request("POST", "/fused", json.dumps({"x": [1, 2, 3]}))
        bodies.add(connection.getresponse().read())
    connection.close()
    assert len(bodies) == 1


@pytest.mark.slow
def test_a_graph_that_cannot_start_is_named_and_nothing_stays(tmp_path: Path) -> None:
    file = FILE.with_name("does_not_start.py")
    port = str(free_port())
    run = subprocess.Popen(
        [sys.executable, "-m", "umbel", "run", str(file), "--port", port, "--no-grpc"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "UMBEL_TEST_FOLDER": str(tmp_path)},
    )
    out, told = run.communicate(timeout=120)
    assert (run.returncode, out) == (1, "")
    assert told.startswith("error: graph 'unsound' cannot start: ")
    assert "node 'Broken' cannot start: FileNotFoundError: no weights at nowhere.bin" in told
    assert len(told.splitlines()) == 1
    every = psutil.process_iter(["cmdline"])
    assert [one.pid for one in every if port in (one.info["cmdline"] or [])] == []


def test_replicas_answer_with_umbels_own_http_server(on_ray: Client) -> None:
    """Ray Serve's servers name themselves: its proxy, which answers until HAProxy knows of the
    replica, and its server in the replica, which stays where Ray looks different inside."""
    end = time.monotonic() + 30
    while "server" in (answer := on_ray.get("/split/v2/health/live")).headers:
        assert time.monotonic() < end
        time.sleep(0.2)
    assert answer.status == 200
