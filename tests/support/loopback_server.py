"""Graphs served on a loopback port by a thread of the test process, and a client for them."""

from __future__ import annotations

import asyncio
import contextlib
import http.client
import json
import socket
import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from umbel.graph import passes
from umbel.graph.graph_definitions import GraphDefinition
from umbel.graph.inference import infer
from umbel.graph.ir import Program
from umbel.graph.plan import Plan
from umbel.serving.graph_host import GraphHost
from umbel.serving.http_app import HttpApp
from umbel.serving.http_listener import HttpListener


@dataclass(frozen=True)
class Answer:
    """What came back. ``headers`` have lower-case names."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def error(self) -> str:
        """The text of an error in the protocols' form, which has no other key."""
        parsed = self.json
        assert list(parsed) == ["error"], parsed
        assert self.headers["content-type"] == "application/json"
        text: str = parsed["error"]
        return text


class Client:
    """Requests to one port; each has a connection of its own."""

    def __init__(self, port: int) -> None:
        self.port = port

    def ask(
        self, method: str, path: str, body: object = None, headers: Mapping[str, str] | None = None
    ) -> Answer:
        """A request. ``body``: bytes as they are, an iterator in chunks, all else as JSON."""
        as_is = body is None or isinstance(body, bytes) or hasattr(body, "__next__")
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=20)
        with contextlib.closing(connection):
            connection.request(
                method, path, body if as_is else json.dumps(body), dict(headers or {})
            )
            reply = connection.getresponse()
            named = {name.lower(): value for name, value in reply.getheaders()}
            return Answer(reply.status, named, reply.read())

    def get(self, path: str, **headers: str) -> Answer:
        return self.ask("GET", path, headers=_dashed(headers))

    def post(self, path: str, body: object, **headers: str) -> Answer:
        return self.ask("POST", path, body, _dashed(headers))


def _dashed(headers: Mapping[str, str]) -> dict[str, str]:
    return {name.replace("_", "-"): value for name, value in headers.items()}


def planned(*definitions: GraphDefinition) -> Plan:
    """The plan that serves these graphs."""
    graphs = {}
    for definition in definitions:
        graphs.update(definition.program().graphs)
    served = tuple(definition.graph().name for definition in definitions)
    return passes.plan(infer(Program(graphs, served)))


@contextlib.contextmanager
def serving(
    *definitions: GraphDefinition, plan: Plan | None = None, **options: Any
) -> Iterator[Client]:
    """A client of a server that serves these graphs, or a plan. ``options`` are ``HttpApp``'s."""
    listener = socket.socket()
    listener.bind(("127.0.0.1", 0))
    host = GraphHost(plan or planned(*definitions), "0.0.0-test")
    server = HttpListener(HttpApp(host, **options))
    started, ended = threading.Event(), asyncio.Event()

    async def serve() -> None:
        await host.start()
        await server.start(listener)
        started.set()
        await ended.wait()
        await server.stop(20)
        await host.close()

    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_until_complete, args=(serve(),))
    thread.start()
    try:
        assert started.wait(20)
        yield Client(listener.getsockname()[1])
    finally:
        loop.call_soon_threadsafe(ended.set)
        thread.join(30)
        loop.close()
        listener.close()
