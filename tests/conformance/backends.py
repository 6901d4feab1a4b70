"""Where the cases run: in this process, or behind a port on which ``umbel`` serves."""

from __future__ import annotations

import asyncio
import http.client
import threading
from collections.abc import Coroutine, Iterable
from pathlib import Path
from typing import Any, Protocol, TypeVar

from case_files import Case, Request, by_patterns, manifests
from judging import Reply

from umbel.graph.ir import Graph, Program
from umbel.graph.passes import plan
from umbel.graph.plan import Plan
from umbel.graph.steps import GraphName
from umbel.serving.graph_host import GraphHost
from umbel.serving.http_app import HttpApp

T = TypeVar("T")


class Backend(Protocol):
    """Takes a request to a graph."""

    def send(self, graph: str, request: Request) -> Reply:
        """The reply."""


def write_files(
    cases: list[Case], services_url: str, folder: Path, models: Path | None = None
) -> list[str]:
    """The cases as YAML files, one for each set of header patterns, beside the classes that
    they name. ``@MODELS`` in them is the folder ``models``."""
    for module in (Path(__file__).parent / "models").glob("*.py"):
        (folder / module.name).write_text(module.read_text())
    names = []
    for number, group in enumerate(by_patterns(cases).values()):
        file = folder / f"cases{number}.yaml"
        file.write_text(manifests(group, services_url).replace("@MODELS", str(models)))
        names.append(str(file))
    return names


def plan_of(files: Iterable[str]) -> Plan:
    """One plan for all files, each read by itself."""
    from umbel.cli.files import load

    graphs: dict[GraphName, Graph] = {}
    served: list[GraphName] = []
    for file in files:
        program = load([file]).or_raise().program
        graphs |= program.graphs
        served += program.served
    return plan(Program(graphs, tuple(served)))


class InProcess:
    """The graphs on the local backend, in a thread with an event loop."""

    def __init__(self, files: Iterable[str]) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()
        self._host = GraphHost(plan_of(files), "test")
        self._run(self._host.start())
        self._app = HttpApp(self._host)

    def send(self, graph: str, request: Request) -> Reply:
        return self._run(self._send(graph, request))

    def close(self) -> None:
        self._run(self._host.close())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def _run(self, work: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(timeout=60)

    async def _send(self, graph: str, request: Request) -> Reply:
        path, _, query = f"/{graph}{request.path}".partition("?")
        headers = [(n.lower().encode(), v.encode("latin-1")) for n, v in request.headers]
        scope: dict[str, Any] = {
            "type": "http", "method": request.method, "path": path,
            "query_string": query.encode(), "headers": headers,
        }  # fmt: skip
        sent: list[Any] = []

        messages = [{"type": "http.request", "body": request.body, "more_body": False}]

        async def receive() -> dict[str, Any]:
            if not messages:
                await asyncio.Event().wait()  # the client stays
            return messages.pop()

        async def send(message: Any) -> None:
            sent.append(message)

        await self._app(scope, receive, send)
        start, *rest = sent
        named = {n.decode("latin-1"): v.decode("latin-1") for n, v in start["headers"]}
        return Reply(start["status"], named, b"".join(m.get("body", b"") for m in rest))


class OverHttp:
    """Graphs that are served on a port of this machine."""

    def __init__(self, port: int) -> None:
        self.port = port

    def send(self, graph: str, request: Request) -> Reply:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        try:
            connection.putrequest(
                request.method,
                f"/{graph}{request.path}",
                skip_host=any(name == "Host" for name, _ in request.headers),
                skip_accept_encoding=True,
            )
            for name, value in request.headers:
                connection.putheader(name, value)
            connection.putheader("Content-Length", str(len(request.body)))
            connection.endheaders(request.body)
            reply = connection.getresponse()
            headers = {name.lower(): value for name, value in reply.getheaders()}
            return Reply(reply.status, headers, reply.read())
        finally:
            connection.close()
