"""What runs inside Ray Serve replicas: a graph with its fused nodes, or one node apart."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing
from dataclasses import replace
from typing import Any

from ray import serve

from umbel.graph.errors import NodeFailed, ServingError, UmbelError
from umbel.graph.ir import Graph, Node
from umbel.graph.plan import Plan
from umbel.graph.steps import GraphName, NodeName
from umbel.graph.value_types import Signature
from umbel.nodes.item_streams import is_stream
from umbel.nodes.loaded import Handle, LoadedNode
from umbel.nodes.request_context import RequestContext, enter
from umbel.serving import process_tuning, replica_devices, shipping
from umbel.serving.deep_values import as_text
from umbel.serving.endpoint import Endpoint
from umbel.serving.explainer_replica import ExplainedGraphs
from umbel.serving.graph_host import GraphHost
from umbel.serving.grpc_protocol.front import Front
from umbel.serving.grpc_protocol.hosted_models import HostedModels
from umbel.serving.grpc_protocol.serve_methods import ServeMethods
from umbel.serving.http_app import HttpApp
from umbel.serving.load_policy import LoadGauge
from umbel.serving.model_names import ModelNames, names_in
from umbel.serving.mount import Mount
from umbel.serving.neutral_pickling import Parcel, tensor_on_host
from umbel.serving.node_loading import load_node
from umbel.serving.pool_endpoint import PoolEndpoint
from umbel.serving.pool_metrics import PoolFigures, figures_of
from umbel.serving.ray_model_states import SharedStates
from umbel.serving.ray_pools import RemotePool
from umbel.serving.ray_streams import Sent, sent_items
from umbel.serving.remote_node import RemoteNode
from umbel.serving.remote_nodes import has_environments, remote_nodes
from umbel.serving.remote_signatures import hear_signatures
from umbel.serving.replica_credentials import open_credentials
from umbel.serving.replica_grpc import serve_grpc_directly
from umbel.serving.replica_ingress import serve_directly
from umbel.serving.replica_loopback import listen_on_loopback
from umbel.serving.request_wire import Wire, from_wire
from umbel.serving.travelling_streams import Outbox, every_stream_ended, with_streams
from umbel.serving.wire import HttpRequest

log = logging.getLogger("umbel")

STREAMS_END_WITHIN_S = 15.0
"""Seconds that a replica which is taken away waits for streams that others read from it."""


class NodeReplica:
    """The nodes of one deployment, called by graph replicas."""

    async def __init__(  # type: ignore[misc]  # Ray Serve awaits it
        self,
        payload: bytes,
        graph: str,
        nodes: tuple[str, ...],
        others: Mapping[str, Any],
    ) -> None:
        open_credentials()
        listen_on_loopback()
        replica_devices.hide_others()
        plan = shipping.unpack(payload)
        self._mixed = has_environments(plan)
        declared = plan.program.graphs[GraphName(graph)].nodes
        self._gauge, self._answered = LoadGauge(), 0
        self._nodes: dict[str, LoadedNode] = {}
        for name in nodes:
            self._nodes[name] = await asyncio.to_thread(load_node, declared[NodeName(name)])
        self._others, self._explained = others, ExplainedGraphs()
        await self._explained.start(plan, graph, nodes, "", self._find)
        process_tuning.settle()

    def _find(self, part: Plan, graph: Graph, node: Node) -> Handle | None:
        deployment = part.deployment_of(graph.name, node.name)
        if deployment is None:
            return None
        handle = self._others.get(deployment.name)
        return RemoteNode(node.name, handle, self._mixed) if handle else self._nodes.get(node.name)

    async def stream(self, node: str, values: dict[str, Any], wire: Wire) -> Sent:
        """The items of a node that yields, each as ``call`` gives its value."""
        self._answered += 1
        context = from_wire(wire)
        code: Any = self._nodes[node]
        async for done, item in sent_items(
            lambda: code.stream(with_streams(values), context), context, node
        ):
            yield done, self._packed(item) if done else item

    async def openai(self, node: str, method: str, body: object, wire: Wire) -> Sent:
        """The parts of a node's answer to a request of OpenAI's API."""
        self._answered += 1
        context, code = from_wire(wire), self._nodes[node]
        async for part in sent_items(lambda: code.openai(method, body, context), context, node):
            yield part

    async def call(self, node: str, values: dict[str, Any], wire: Wire) -> tuple[bool, Any]:
        """``(True, value)``, or ``(False, error)``: an error of umbel's own tree, which every
        process can read. A node's own exception stays in this replica's log."""
        done, value, _ = await self.chain([(node, "", values)], wire)
        return done, value

    async def chain(
        self, links: list[tuple[str, str, dict[str, Any]]], wire: Wire, deep: bool = False
    ) -> tuple[bool, Any, tuple[float, ...]]:
        """Several nodes, each with the value of the one before, as ``call`` gives the last
        one's; and the seconds of each that began. ``deep``: the value may be nested deeper than
        pickle goes."""
        context, done, value = from_wire(wire), True, None
        seconds: list[float] = []
        for node, port, values in links:
            start = time.perf_counter()
            done, value = await self._run(
                node, {**values, port: value} if port else values, context
            )
            seconds.append(time.perf_counter() - start)
            if not done:
                break
        if done and is_stream(value):
            value = Outbox(value, context, node, self._packed).mark
        if done:
            value = as_text(value) if deep else self._packed(value)
        return done, value, tuple(seconds)

    async def _run(
        self, node: str, values: dict[str, Any], context: RequestContext
    ) -> tuple[bool, Any]:
        enter(context)
        self._answered += 1
        try:
            with self._explained.during(node, context):
                return True, await self._nodes[node](with_streams(values), context)
        except UmbelError as error:
            return False, error
        except Exception:
            log.exception("node %r failed (request %s)", node, context.id)
            return False, NodeFailed(node, context.id)

    def _packed(self, value: Any) -> Any:
        value = tensor_on_host(value)
        return Parcel(value) if self._mixed else value

    def signatures(self) -> dict[str, Signature]:
        """What the nodes take and give, as their models' files told when they were loaded."""
        return {name: node.signature for name, node in self._nodes.items()}

    def pool_figures(self) -> list[PoolFigures]:
        """What the pools of this replica hold."""
        return figures_of(self._nodes.values(), serve.get_replica_context().replica_tag)

    async def __del__(self) -> None:
        await every_stream_ended(STREAMS_END_WITHIN_S)
        await self._explained.close()
        for node in self._nodes.values():
            await node.close()

    def record_autoscaling_stats(self) -> dict[str, float]:
        """This replica's load, for Ray Serve's autoscaler."""
        return self._gauge.read(self._answered)


class GraphReplica(ServeMethods):
    """One served graph, its fused nodes, and HTTP and gRPC in front of them."""

    async def __init__(  # type: ignore[misc]  # Ray Serve awaits it
        self,
        payload: bytes,
        version: str,
        body_limit: int,
        deployments: Mapping[str, Any],
        mounted: str = "",
    ) -> None:
        """``mounted``: the path below which the graph answers, if not ``/NAME``."""
        open_credentials()
        listen_on_loopback()
        replica_devices.hide_others()
        plan = shipping.unpack(payload)
        self._names = names_in(plan)
        self._remote = remote_nodes(plan, deployments)
        self._host = GraphHost(plan, version, self._find_remote)
        self._models = HostedModels(self._host)
        self.grpc_front = Front(self._models, version)
        inner_path = Mount(plan.program.served[0], mounted).inner_path if mounted else str
        self._app = HttpApp(self._host, body_limit=body_limit, inner_path=inner_path)
        self._gauge = LoadGauge()
        self._states = SharedStates(self._host.states, serve.get_replica_context().deployment)
        await self._states.start()
        await hear_signatures(plan, deployments, self._remote)
        await self._host.start()
        for endpoint in self._host.every_endpoint():
            remote = self._remote.get((endpoint.name, next(iter(endpoint.graph.nodes), "")))
            if isinstance(endpoint, PoolEndpoint) and isinstance(remote, RemotePool):
                endpoint.everywhere = remote.everywhere
        self._host.pools_apart = self._pools_apart
        serve_directly(self._app)
        serve_grpc_directly(self.grpc_front, body_limit)
        process_tuning.settle()

    def record_autoscaling_stats(self) -> dict[str, float]:
        """This replica's load, for Ray Serve's autoscaler."""
        return self._gauge.read(self._host.metrics.answered)

    async def _pools_apart(self) -> list[PoolFigures]:
        pools = [one for one in self._remote.values() if isinstance(one, RemotePool)]
        parts = await asyncio.gather(*(pool.figures() for pool in pools))
        return [one for part in parts for one in part]

    def apply_model_state(self, graph: str, model: str, ready: bool) -> None:
        """A model was loaded or unloaded through another replica."""
        self._host.states.apply(graph, model, ready)

    def model_names(self) -> ModelNames:
        """What the graph's models are called, for a front that stands before many graphs."""
        offering = [
            one
            for one in map(self._host.get, self._host.names())
            if isinstance(one, Endpoint) and one.openai.offered
        ]
        return replace(self._names, openai={one.model: one.name for one in offering})

    def _find_remote(self, graph: Graph, node: Node) -> Handle | None:
        return self._remote.get((graph.name, node.name))

    async def answer(
        self, graph: str, method: str, request: bytes, wire: Wire
    ) -> tuple[bool, Any, RequestContext]:
        """A gRPC method on serialized messages: ``(True, response)`` or ``(False, error)``, and
        the context with what the run added to it."""
        context = from_wire(wire)
        try:
            return True, await self._models.answer(graph, method, request, context), context
        except UmbelError as error:
            return False, error, context
        except Exception:
            log.exception("%s failed (request %s)", method, context.id)
            return False, ServingError(f"internal server error (request {context.id})"), context

    async def answers(self, graph: str, request: bytes, wire: Wire) -> Sent:
        """The responses to one request of gRPC's ``ModelStreamInfer``, each as ``(True,
        response)``, or ``(False, error)`` at the end."""
        context = from_wire(wire)
        async for item in sent_items(
            lambda: self._models.answers(graph, request, context), context, graph
        ):
            yield item

    async def exchange(
        self, method: str, path: str, query: str, headers: tuple[tuple[str, str], ...], body: bytes
    ) -> AsyncGenerator[Any, None]:
        """A whole HTTP request through a handle: status, body, headers and whether parts of a
        stream follow; then those."""
        reply = await self._app.answer(HttpRequest(method, path, query, headers, body))
        yield reply.status, reply.body, reply.headers, reply.stream is not None
        if reply.stream is not None:
            async with aclosing(reply.stream) as stream:
                async for part in stream:
                    yield part

    def __serve_build_asgi_app__(self) -> HttpApp:
        return self._app

    async def __del__(self) -> None:
        self._states.close()
        await self._host.close()


def part_of(plan: Plan, name: GraphName) -> Plan:
    """The part of a plan that one served graph needs."""
    program = plan.program.only(name)
    deployments = tuple(d for d in plan.deployments if d.graph in program.graphs)
    return Plan(program, deployments, pools=plan.pools)
