"""The models of a pool as clients see them: each with the endpoint of a graph of its own.

A pool's node gets a request as it came and gives the reply. It alone knows a model's inputs:
they stand in the model's file, which is read when the model is first asked for.
"""

from __future__ import annotations

from collections.abc import Awaitable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from umbel.graph.implementations import ModelPool
from umbel.graph.ir import Graph, Node, Program
from umbel.graph.plan import Plan
from umbel.graph.steps import Call, GraphName, Input, StepId
from umbel.nodes.loaded import Handle, LoadedNode
from umbel.nodes.model_pool import FetchedModel, LoadedPool, ModelFiles, model_names
from umbel.nodes.request_context import RequestContext, current_request
from umbel.nodes.resident_models import ResidentModels
from umbel.serving.answer_stream import joined
from umbel.serving.endpoint import Endpoint
from umbel.serving.engine import Engine
from umbel.serving.wire import Reply, WireRequest


@dataclass(frozen=True)
class PoolRequest:
    """What a pool's node is asked. ``http``: ``method`` and ``path`` below the pool's root.
    ``grpc``: ``method`` is the service's, ``body`` the message. ``load`` and ``drop`` bring a
    model into memory and take it out. ``report`` tells of this replica."""

    kind: Literal["http", "grpc", "load", "drop", "report"]
    method: str = ""
    path: str = ""
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class PoolReport:
    """One replica's memory. ``failures`` has the reason of each model's last load that failed."""

    models: tuple[str, ...]
    bytes: int
    budget: int
    counts: dict[str, float]
    failures: dict[str, str]


class _OneModel:
    """The engine's handle of the model, and its backend. Lets go of the model when told to:
    an engine is full of cycles, and a model's memory must not wait for the garbage collector."""

    def __init__(self, loaded: LoadedNode) -> None:
        self._loaded: LoadedNode | None = loaded

    @property
    def inline(self) -> bool:
        return self._loaded is not None and self._loaded.inline

    def __call__(self, values: dict[str, Any], context: RequestContext) -> Awaitable[Any]:
        if self._loaded is None:
            raise RuntimeError("the model was called after it had left")
        return self._loaded(values, context)

    def handle(self, graph: Graph, node: Node) -> Handle:
        return self

    async def close(self) -> None:
        loaded, self._loaded = self._loaded, None
        if loaded is not None:
            await loaded.close()


@dataclass(frozen=True)
class ModelFace:
    """One model in memory, ready for requests of every protocol."""

    endpoint: Endpoint
    model: _OneModel


class FaceSource:
    """A pool's models with the endpoints in front of them."""

    def __init__(self, node: Node, code: ModelPool) -> None:
        self.files = ModelFiles(node, code)

    async def prepare(self, name: str) -> tuple[FetchedModel, int, int]:
        """Fetch the model's file."""
        return await self.files.prepare(name)

    async def open(self, name: str, prepared: FetchedModel) -> tuple[ModelFace, int]:
        """Open the model and put an endpoint before it."""
        loaded, size = await self.files.open(name, prepared)
        return _face(name, loaded), size

    async def close(self, value: ModelFace) -> None:
        """Close the model."""
        await value.model.close()


def _face(name: str, loaded: LoadedNode) -> ModelFace:
    place = loaded.node.place
    inputs = tuple(
        Input(id=StepId(p.name), port=p.name, type=p.type, place=place)
        for p in loaded.signature.inputs
    )
    args = tuple((step.port, step.id) for step in inputs)
    call = Call(id=StepId(f"{name}()"), node=loaded.node.name, args=args, place=place)
    graph = Graph(
        name=GraphName(name),
        nodes={loaded.node.name: loaded.node},
        steps=(*inputs, call),
        outputs=(("output", call.id),),
        signature=loaded.signature,
        place=place,
    )
    model = _OneModel(loaded)
    engine = Engine(Plan(Program({graph.name: graph}, (graph.name,))), model)
    return ModelFace(Endpoint(engine, graph.name, ""), model)


class PoolNode:
    """The function of a pool's node."""

    def __init__(self, node: Node, code: ModelPool) -> None:
        self.models = ResidentModels(FaceSource(node, code), code.budget)

    async def answer(self, model: str, request: PoolRequest) -> Any:
        """A ``Reply`` to ``http``, a message to ``grpc``, a ``PoolReport`` to ``report``.

        Raises NotFound for a model that is not there, NotReady for one that cannot be loaded,
        each with the reason.
        """
        if request.kind == "report":
            return self._report()
        if request.kind == "load":
            await self.models.load(model)
        elif request.kind == "drop":
            await self.models.drop(model)
        else:
            return await self._ask(model, request, current_request())
        return None

    async def _ask(self, model: str, request: PoolRequest, outer: RequestContext) -> Any:
        context = RequestContext(outer.id, outer.deadline, outer.headers, outer.header_list)
        async with self.models.use(model) as face:
            if request.kind == "grpc":
                from umbel.serving.grpc_protocol import model_methods  # needs the extra

                return await model_methods.answer(
                    face.endpoint, request.method, request.body, context
                )
            wire = WireRequest(request.method, request.path, request.body, request.headers, context)
            reply: Reply = await joined(await face.endpoint.handle(wire))
            return reply

    def _report(self) -> PoolReport:
        models = self.models
        return PoolReport(
            tuple(models.names),
            models.used,
            models.budget,
            dict(vars(models.counts)),
            models.failures,
        )

    async def close(self) -> None:
        """Let go of all models."""
        await self.models.close()


def load_pool_node(node: Node, code: ModelPool) -> LoadedNode:
    """The node of a pool that takes whole requests. No model is loaded yet."""
    model_names(code)
    pool = PoolNode(node, code)
    return LoadedPool(node, pool.answer, pool.close, pool.models)
