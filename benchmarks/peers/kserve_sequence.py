"""KServe model servers, one a node, and a router that calls them: an InferenceGraph by hand.

The router stands for KServe's, which is written in Go: it is a bare asyncio protocol that hands
bodies on as bytes, cheaper than any Python web framework. It knows three shapes: a sequence,
an ensemble of all (mean), a cascade.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import socket
import subprocess
import sys
import urllib.request
from collections import deque
from typing import Any, cast

import numpy as np
import orjson

from harness.connection import Connection, connect
from peers.pipelines import PIPELINES

TRAVELS = b"inference-header-content-length"


class Server:
    """Keep-alive connections to one model server."""

    def __init__(self, name: str, port: int) -> None:
        self._name, self._port = name.encode(), port
        self.ready_url = f"http://127.0.0.1:{port}/v2/models/{name}/ready"
        self._free: deque[Connection] = deque()
        self._waiting: dict[Connection, asyncio.Future[tuple[bytes, bytes]]] = {}

    async def call(self, body: bytes, length: bytes = b"") -> tuple[bytes, bytes]:
        """Body and, for V2 with binary tensors, the length of its JSON part. Raises OSError."""
        connection = await self._connection()
        answer: asyncio.Future[tuple[bytes, bytes]] = asyncio.get_running_loop().create_future()
        self._waiting[connection] = answer
        path = b"/v2/models/%s/infer" if length else b"/v1/models/%s:predict"
        connection.send(
            b"POST %s HTTP/1.1\r\nhost: 127.0.0.1\r\n%scontent-length: %d\r\n\r\n%s"
            % (path % self._name, _headers(length), len(body), body)
        )
        return await answer

    async def _connection(self) -> Connection:
        while self._free:
            connection = self._free.popleft()
            if not connection.closed:
                return connection
        return await connect(self._port, self._answered)

    def _answered(self, connection: Connection, status: int, head: bytes, body: bytes) -> None:
        answer = self._waiting.pop(connection)
        self._free.append(connection)
        if status == 200:
            answer.set_result((body, length_in(head)))
        else:
            what = f"{self._name.decode()} answered {status}: {body[:200]!r}"
            answer.set_exception(OSError(what))


def _headers(length: bytes) -> bytes:
    if not length:
        return b"content-type: application/json\r\n"
    return b"content-type: application/octet-stream\r\n%s: %s\r\n" % (TRAVELS, length)


def length_in(head: bytes) -> bytes:
    """The header that travels with binary tensors, from a head in lower case."""
    _, found, rest = head.partition(TRAVELS + b":")
    return rest.split(b"\r\n", 1)[0].strip() if found else b""


class Router(asyncio.Protocol):
    """One client's connection; it sends a request at a time."""

    def __init__(self, workload: str, servers: list[Server]) -> None:
        self._servers, self._buffer = servers, b""
        shapes = {"wide-10": self._ensemble, "cascade": self._cascade}
        self._shape = shapes.get(workload, self._sequence)
        self._tasks: set[asyncio.Task[None]] = set()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)  # uvloop's is no subclass

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        end = self._buffer.find(b"\r\n\r\n")
        if end < 0:
            return
        head = self._buffer[:end].lower()
        length = head.partition(b"\r\ncontent-length:")[2].split(b"\r\n", 1)[0]
        size = end + 4 + int(length or 0)
        if len(self._buffer) < size:
            return
        body, self._buffer = self._buffer[end + 4 : size], self._buffer[size:]
        task = asyncio.ensure_future(self._answer(body, length_in(head)))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _answer(self, body: bytes, length: bytes) -> None:
        status = b"200 OK"
        try:
            body, length = await self._shape(body, length)
        except (OSError, ValueError, KeyError) as error:
            status, body, length = b"500 Internal Server Error", str(error).encode(), b""
        self._transport.write(
            b"HTTP/1.1 %s\r\n%scontent-length: %d\r\n\r\n%s"
            % (status, _headers(length), len(body), body)
        )

    async def _sequence(self, body: bytes, length: bytes) -> tuple[bytes, bytes]:
        for server in self._servers:
            if length and server is not self._servers[0]:
                body, length = _as_request(body, int(length))
            body, length = await server.call(body, length)
        return body, length

    async def _ensemble(self, body: bytes, length: bytes) -> tuple[bytes, bytes]:
        answers = await asyncio.gather(*(server.call(body) for server in self._servers))
        values = [orjson.loads(answer)["predictions"] for answer, _ in answers]
        return _predictions(np.mean(values, axis=0)), b""

    async def _cascade(self, body: bytes, length: bytes) -> tuple[bytes, bytes]:
        linear, network = self._servers
        answer, _ = await linear.call(body)
        quick = np.asarray(orjson.loads(answer)["predictions"])
        if not bool((quick.max(axis=1) > 0.9).all()):
            answer, _ = await network.call(body)
            quick = (quick + np.asarray(orjson.loads(answer)["predictions"])) / 2
        return _predictions(quick.argmax(axis=1)), b""


def _as_request(body: bytes, length: int) -> tuple[bytes, bytes]:
    """A V2 answer as the next server's request: what was an output is an input."""
    head = body[:length].replace(b'"outputs":', b'"inputs":', 1)
    return head + body[length:], str(len(head)).encode()


def _predictions(value: Any) -> bytes:
    return orjson.dumps({"predictions": value}, option=orjson.OPT_SERIALIZE_NUMPY)


def start_nodes(workload: str) -> tuple[list[subprocess.Popen[bytes]], list[Server]]:
    """The model servers of a workload, started but perhaps not ready."""
    names = list(PIPELINES[workload].nodes)
    parallel = workload in ("wide-10", "cascade")
    processes, servers = [], []
    with contextlib.ExitStack() as held:
        probes = [held.enter_context(socket.socket()) for _ in names]
        for probe in probes:
            probe.bind(("127.0.0.1", 0))
        ports = [int(probe.getsockname()[1]) for probe in probes]
    for name, port in zip(names, ports, strict=True):
        key = "predictions" if parallel or name == names[-1] else "instances"
        command = [sys.executable, "-m", "peers.kserve_node", "--configure_logging", "false"]
        environment = {**os.environ, "BENCHMARK_NODE": f"{workload} {name} {key} {port}"}
        processes.append(subprocess.Popen(command, env=environment))
        servers.append(Server(name, port))
    return processes, servers


async def serve(workload: str, port: int, servers: list[Server]) -> None:
    """Route until SIGTERM."""
    loop = asyncio.get_running_loop()
    stopped = asyncio.Event()
    loop.add_signal_handler(signal.SIGTERM, stopped.set)
    for server in servers:
        while not await asyncio.to_thread(_answers, server.ready_url):
            await asyncio.sleep(0.2)
    async with await loop.create_server(lambda: Router(workload, servers), "127.0.0.1", port):
        await stopped.wait()


def _answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=2) as answer:
            return bool(answer.status == 200)
    except OSError:
        return False


def main() -> None:
    workload, port = sys.argv[1], int(sys.argv[2])
    processes, servers = start_nodes(workload)
    try:
        import uvloop

        uvloop.run(serve(workload, port, servers))
    finally:
        for process in processes:
            process.terminate()
        for process in processes:
            process.wait()


if __name__ == "__main__":
    main()
