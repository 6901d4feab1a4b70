"""Graphs brought up in one process: nodes loaded, engine compiled, endpoints open."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import replace
from typing import Any

from umbel.graph.errors import DeclarationError, NotFound, NotReady
from umbel.graph.implementations import ModelFile
from umbel.graph.inference import infer
from umbel.graph.ir import Graph, Node
from umbel.graph.plan import Plan
from umbel.graph.steps import GraphName
from umbel.graph.value_types import Signature
from umbel.nodes.loaded import Handle
from umbel.nodes.messages import Message
from umbel.nodes.request_context import RequestContext
from umbel.serving.answer_stream import joined
from umbel.serving.background import BackgroundCalls
from umbel.serving.endpoint import Endpoint
from umbel.serving.engine import Engine
from umbel.serving.forward_endpoint import ForwardEndpoint
from umbel.serving.local_backend import LocalBackend
from umbel.serving.metrics import Metrics
from umbel.serving.model_states import ModelStates
from umbel.serving.pool_endpoint import AnyEndpoint, PoolEndpoint
from umbel.serving.pool_metrics import PoolFigures
from umbel.serving.protocols.json_bodies import encode_json
from umbel.serving.told_inputs import with_told_inputs
from umbel.serving.wire import Reply, WireRequest

log = logging.getLogger("umbel")

RemoteHandle = Callable[[Graph, Node], "Handle | None"]
"""Gives the handle of a node that lives elsewhere, ``None`` for one that is fused."""


def _nowhere(graph: Graph, node: Node) -> Handle | None:
    return None


async def _none_apart() -> list[PoolFigures]:
    return []


class GraphNotStarted(DeclarationError):
    """A graph could not be brought up. Names the graph and says why."""


class GraphHost:
    """Serves the graphs of one plan. ``remote`` tells which nodes live elsewhere."""

    def __init__(self, plan: Plan, version: str, remote: RemoteHandle = _nowhere) -> None:
        self.plan, self.version, self._remote = plan, version, remote
        self._local = LocalBackend()
        self.metrics = Metrics()
        self.pools_apart: Callable[[], Awaitable[list[PoolFigures]]] = _none_apart
        self._engine: Engine | None = None
        self.states = ModelStates()
        self._endpoints: dict[str, AnyEndpoint] = {}
        self._inner: dict[str, AnyEndpoint] = {}
        """Graphs that only graphs of this host call."""

    async def start(self) -> None:
        """Load every fused node and open the endpoints. Raises what the first node raised,
        with nothing left loaded."""
        await self._local.start(
            node
            for graph in self.plan.program
            for node in graph.nodes.values()
            if self._remote(graph, node) is None
        )
        self.plan = self._refined()
        self._engine = engine = Engine(self.plan, self, self.call_service)
        self._endpoints = {name: self._endpoint(engine, name) for name in self.plan.program.served}
        inner = [g.name for g in self.plan.program if g.name not in self._endpoints]
        self._inner = {name: self._endpoint(engine, name) for name in inner}
        self._introduce_components()
        await self._warm_up()

    def handle(self, graph: Graph, node: Node) -> Handle:
        """How the engine calls a node: here, or where it lives."""
        return self._remote(graph, node) or self._local.handle(graph, node)

    def _endpoint(self, engine: Engine, name: GraphName) -> AnyEndpoint:
        interface = engine.compiled(name).graph.interface
        if interface == "models":
            return PoolEndpoint(engine, name, self.version, self.states)
        kind = ForwardEndpoint if interface == "http" else Endpoint
        return kind(engine, name, self.version, self.states)

    def _introduce_components(self) -> None:
        """Each endpoint gets those of the parts of its graph that answer by themselves."""
        known = {**self._endpoints, **self._inner}
        for one in known.values():
            if isinstance(one, Endpoint):
                parts = {host: known[name] for host, name in one.graph.components.items()}
                one.components = {
                    host: part for host, part in parts.items() if isinstance(part, Endpoint)
                }

    def every_endpoint(self) -> Iterable[AnyEndpoint]:
        """Those of graphs that only graphs of this host call included."""
        return [*self._endpoints.values(), *self._inner.values()]

    def get(self, name: str) -> AnyEndpoint | None:
        """The endpoint called ``name``."""
        return self._endpoints.get(name)

    def names(self) -> Iterable[str]:
        """The names of all endpoints."""
        return self._endpoints.keys()

    async def metrics_text(self) -> bytes:
        """What this process has counted, and pools apart, in Prometheus' text form."""
        return self.metrics.text(self._local.loaded, self.background, await self.pools_apart())

    @property
    def engine(self) -> Engine:
        """The engine of graphs that are up."""
        if self._engine is None:
            raise NotReady("the graphs are not up")
        return self._engine

    @property
    def background(self) -> BackgroundCalls | None:
        """The mirrored calls, once the graphs are up."""
        return None if self._engine is None else self._engine.background

    async def call_service(
        self, graph: GraphName, path: str, body: Message, context: RequestContext
    ) -> Message:
        """A graph of this host, called as a client would, without HTTP."""
        endpoint = self._endpoints.get(graph) or self._inner.get(graph)
        if endpoint is None:
            raise NotFound(f"there is no service {graph!r}")
        headers = {"content-type": "application/json"}
        request = WireRequest("POST", path, body.body, headers, context)
        reply = await joined(await endpoint.handle(request))
        return Message(reply.body, reply.status, reply.headers.get("content-type", ""))

    async def close(self) -> None:
        """Close endpoints and nodes."""
        ended = [one for one in self.every_endpoint() if isinstance(one, Endpoint)]
        self._endpoints, self._inner = {}, {}
        if self._engine is not None:
            await self._engine.close()
        for endpoint in ended:
            await endpoint.close()
        await self._local.close()

    def _refined(self) -> Plan:
        """The plan with what model files told of their inputs and outputs."""
        graphs = {}
        for name, graph in self.plan.program.graphs.items():
            whole = graph
            for key, node in graph.nodes.items():
                told = self._told_signature(graph, node)
                if told is not None and _names(told) != _names(node.signature):
                    whole = with_told_inputs(whole, node, told)
                elif told is not None:
                    nodes = {**whole.nodes, key: replace(node, signature=told)}
                    whole = replace(whole, nodes=nodes)
            graphs[name] = whole
        return replace(self.plan, program=infer(replace(self.plan.program, graphs=graphs)))

    def _told_signature(self, graph: Graph, node: Node) -> Signature | None:
        """What a model told of itself where it was loaded."""
        if not isinstance(node.code, ModelFile):
            return None
        loaded: Any = self.handle(graph, node)
        told: Signature | None = loaded.signature
        return told

    async def _warm_up(self) -> None:
        """Run each graph that has an example a few times, so that the first client does not
        pay for lazy imports and quick nodes are known to be quick."""
        for endpoint in self._endpoints.values():
            example = endpoint.graph.example
            if example is None:
                continue
            body = _example_body(example)
            for _ in range(4):
                request = WireRequest("POST", "", body, {"content-type": "application/json"})
                try:
                    reply = await asyncio.wait_for(_answered(endpoint, request), 60)
                except asyncio.TimeoutError:
                    log.warning("the example of %r took over 60 s", endpoint.name)
                    break
                if reply.status >= 400:
                    log.warning("the example of %r fails: %s", endpoint.name, reply.body.decode())
                    break


def _names(signature: Signature) -> list[str]:
    return [port.name for port in signature.inputs]


async def _answered(endpoint: AnyEndpoint, request: WireRequest) -> Reply:
    return await joined(await endpoint.handle(request))


def _example_body(example: object) -> bytes:
    return encode_json({"instances": example})
