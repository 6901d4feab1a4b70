"""Graphs from YAML with annotations, and the HTTP services they call, in one event loop."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import pytest
import yaml
from aiohttp import web

from umbel.graph.passes import plan
from umbel.k8s.translate import translate
from umbel.nodes.request_context import RequestContext
from umbel.serving.graph_host import GraphHost
from umbel.serving.wire import Reply, WireRequest

Answer = Callable[[Any], Any]
"""From a parsed body to a body, or to ``(status, body)``. Bytes are sent as they are."""


@dataclass
class Services:
    """``answers`` by name; ``calls`` are (name, body, headers) as they came in."""

    url: str = ""
    answers: dict[str, Answer] = field(default_factory=dict)
    delays: dict[str, float] = field(default_factory=dict)
    calls: list[tuple[str, bytes, Mapping[str, str]]] = field(default_factory=list)

    def bodies(self, name: str) -> list[Any]:
        """What the service got, parsed."""
        return [json.loads(body) for called, body, _ in self.calls if called == name]

    def count(self, name: str) -> int:
        """How often the service was called."""
        return sum(called == name for called, _, _ in self.calls)

    async def handle(self, request: web.Request) -> web.Response:
        name = request.path.strip("/").split("/")[0]
        body = await request.read()
        self.calls.append((name, body, {k.lower(): v for k, v in request.headers.items()}))
        await asyncio.sleep(self.delays.get(name, 0))
        result = self.answers[name](json.loads(body) if body.startswith((b"{", b"[")) else body)
        status, content = result if isinstance(result, tuple) else (200, result)
        raw = content if isinstance(content, bytes) else json.dumps(content).encode()
        return web.Response(status=status, body=raw, content_type="application/json")


@dataclass
class Served:
    """A graph that is up."""

    host: GraphHost

    async def __call__(
        self, body: Any, *, headers: Mapping[str, str] | None = None, within: float | None = None
    ) -> tuple[int, Any]:
        """Status and parsed body of a request to the first graph."""
        reply = await self.reply(body, headers=headers, within=within)
        return reply.status, json.loads(reply.body)

    async def reply(
        self, body: Any, *, headers: Mapping[str, str] | None = None, within: float | None = None
    ) -> Reply:
        """The whole reply."""
        endpoint = self.host.get("g")
        assert endpoint is not None
        given = dict(headers or {})
        context = RequestContext(headers=given, header_list=tuple(given.items()))
        if within is not None:
            context.deadline = asyncio.get_running_loop().time() + within
        raw = body if isinstance(body, bytes) else json.dumps(body).encode()
        return await endpoint.handle(WireRequest("POST", "", raw, given, context))


@pytest.fixture()
async def services() -> AsyncIterator[Services]:
    """Services on loopback at ``services.url/NAME``."""
    found = Services()
    app = web.Application()
    app.router.add_route("*", "/{name:.*}", found.handle)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    found.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    yield found
    await runner.cleanup()


def manifest(
    url: str, nodes: Mapping[str, Any], annotations: Mapping[str, Any], **spec: Any
) -> str:
    """The YAML of graph ``g``. A node is (router type, steps); a step's ``call`` is the name
    of a service."""
    made = {}
    for name, (kind, steps) in nodes.items():
        plain = []
        for step in steps:
            service = step.get("call")
            rest = {key: value for key, value in step.items() if key != "call"}
            plain.append(rest | ({"serviceUrl": f"{url}/{service}"} if service else {}))
        made[name] = {"routerType": kind, "steps": plain}
    texts = {
        f"umbel.dev/{name}": value if isinstance(value, str) else json.dumps(value)
        for name, value in annotations.items()
    }
    return str(
        yaml.safe_dump(
            {
                "apiVersion": "serving.kserve.io/v1alpha1",
                "kind": "InferenceGraph",
                "metadata": {"name": "g", "annotations": texts},
                "spec": {"nodes": made, **spec},
            },
            sort_keys=False,
        )
    )


Serve = Callable[..., Awaitable[Served]]


@pytest.fixture()
async def serve(services: Services) -> AsyncIterator[Serve]:
    """Brings up graph ``g``: ``serve({"root": ("Sequence", [...])}, {"retries": {...}})``."""
    hosts: list[GraphHost] = []

    async def start(
        nodes: Mapping[str, Any], annotations: Mapping[str, Any], *more: str, **spec: Any
    ) -> Served:
        text = manifest(services.url, nodes, annotations, **spec)
        translated = translate([("g.yaml", "\n---\n".join([text, *more]))])
        errors = [one for one in translated.findings if one.severity == "error"]
        assert not errors, "\n".join(map(str, errors))
        host = GraphHost(plan(translated.program), "test")
        hosts.append(host)
        await host.start()
        return Served(host)

    yield start
    for host in hosts:
        await host.close()
