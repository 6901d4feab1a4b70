"""What a pool of models answers: V1, V2 and the repository for each of its models by name.

Requests for a model go to the pool's node as they came, on Ray in the replica that has the
model. What needs no model in memory is answered here.
"""

from __future__ import annotations

import logging
import re
import time
from collections.abc import Awaitable, Callable
from typing import Any

from umbel.graph.errors import MethodNotAllowed, NotFound, NotImplementedHere, UmbelError
from umbel.graph.implementations import ModelPool
from umbel.graph.steps import GraphName
from umbel.nodes.model_pool import has_model, model_names
from umbel.nodes.request_context import RequestContext, enter, leave
from umbel.serving.endpoint import Endpoint, json_reply
from umbel.serving.engine import Engine
from umbel.serving.model_faces import PoolReport, PoolRequest
from umbel.serving.model_states import ModelStates
from umbel.serving.protocols import metadata, v1
from umbel.serving.protocols.error_bodies import error_reply, model_not_found, model_not_ready
from umbel.serving.protocols.pool_openapi import pool_document
from umbel.serving.wire import Reply, WireRequest

log = logging.getLogger("umbel")

Everywhere = Callable[[PoolRequest, str, RequestContext], Awaitable[list[Any]]]
"""Asks every replica of a pool's node."""

_V1_MODEL = re.compile(r"/v1/models/(?P<model>[^/:]+)(?::(?P<verb>\w+))?")
_V2_MODEL = re.compile(r"/v2/models/(?P<model>[^/]+)(?P<rest>/.*)?")
_REPOSITORY = re.compile(r"/v2/repository/models/(?P<model>[^/]+)/(?P<verb>load|unload)")


class PoolEndpoint:
    """The endpoint of a graph whose interface is ``models``."""

    is_router = False
    ready = True

    def __init__(self, engine: Engine, name: GraphName, version: str, states: ModelStates) -> None:
        self.graph = engine.compiled(name).graph
        self.name, self.version, self.model = name, version, self.graph.served_as
        self._engine, self._states = engine, states
        (self.node,) = self.graph.nodes.values()
        self.everywhere: Everywhere = self._only_here
        timeout = self.graph.settings.get("timeout_s")
        self._timeout_s = timeout if isinstance(timeout, float) else None
        self._pages: dict[str, tuple[str, Callable[[WireRequest], Awaitable[Reply]]]] = {
            "": ("GET", self._describe),
            "/v1/models": ("GET", self._list),
            "/v2/models": ("GET", self._list),
            "/v2": ("GET", self._server),
            "/v2/health/live": ("GET", self._live),
            "/v2/health/ready": ("GET", self._healthy),
            "/v2/repository/index": ("POST", self._index),
            "/openapi.json": ("GET", self._openapi),
            "/docs": ("GET", self._docs),
        }

    def names(self) -> list[str]:
        """The pool's models now."""
        code = self.node.code
        return model_names(code) if isinstance(code, ModelPool) else []

    def serves(self, model: str) -> bool:
        """Whether a model of this name is in the pool."""
        code = self.node.code
        return isinstance(code, ModelPool) and has_model(code, model)

    async def handle(self, request: WireRequest) -> Reply:
        """The reply. Never raises but for cancellation."""
        self._limit(request.context)
        try:
            return await self._route(request)
        except Exception as error:
            if not isinstance(error, UmbelError):
                log.exception("request %s to %r failed", request.context.id, self.name)
            status, body, headers = error_reply(error, request.context.id)
            if isinstance(error, MethodNotAllowed):
                headers["allow"] = self._allowed(request.path)
            return Reply(status, body, headers)

    def _limit(self, context: RequestContext) -> None:
        if self._timeout_s:
            end = time.monotonic() + self._timeout_s
            context.deadline = end if context.deadline is None else min(context.deadline, end)

    async def _route(self, request: WireRequest) -> Reply:
        path = request.path.rstrip("/")
        page = self._pages.get(path)
        if page is not None:
            _takes(request, page[0])
            return await page[1](request)
        found = _V1_MODEL.fullmatch(path)
        if found is not None:
            return await self._v1(found["model"], found["verb"], request)
        found = _V2_MODEL.fullmatch(path)
        if found is not None:
            return await self._v2(found["model"], found["rest"] or "", request)
        found = _REPOSITORY.fullmatch(path)
        if found is not None:
            _takes(request, "POST")
            return await self._change(found["model"], found["verb"] == "load", request.context)
        raise NotFound(
            f"{path}: no such path in {self.name!r}, which serves models by name: "
            f"/v1/models/NAME:predict, /v2/models/NAME/infer, {', '.join(self._pages)[2:]}"
        )

    async def _v1(self, model: str, verb: str | None, request: WireRequest) -> Reply:
        _takes(request, "POST" if verb else "GET")
        if verb:
            return await self._forward(model, request)
        self._require(model)
        return json_reply(metadata.model_ready(model, True))

    async def _v2(self, model: str, rest: str, request: WireRequest) -> Reply:
        if rest.startswith("/versions/"):
            raise NotImplementedHere("Model versioning not supported yet.")
        if rest == "/ready":
            _takes(request, "GET")
            ready = self.model_ready(model)
            return json_reply(metadata.model_ready(model, ready), 200 if ready else 503)
        _takes(request, "POST" if rest else "GET")
        return await self._forward(model, request)

    async def _forward(self, model: str, request: WireRequest) -> Reply:
        self._require(model)
        headers = dict(request.headers)
        asked = PoolRequest("http", request.method, request.path, request.body, headers)
        reply: Reply = await self._ask(model, asked, request.context)
        return reply

    async def _ask(self, model: str, request: PoolRequest, context: RequestContext) -> Any:
        token = enter(context)
        try:
            outputs = await self._engine.run(
                self.name, {"model": model, "request": request}, context
            )
        finally:
            leave(token)
        return outputs["output"]

    async def _only_here(
        self, request: PoolRequest, model: str, context: RequestContext
    ) -> list[Any]:
        return [await self._ask(model, request, context)]

    def _require(self, model: str) -> None:
        if not self.model_ready(model):
            raise model_not_ready(model)

    def model_ready(self, model: str) -> bool:
        """Whether requests for a model are taken. Raises NotFound for one that is not there."""
        if not self.serves(model):
            raise model_not_found(model)
        return self._states.ready(self.name, model)

    async def answer_message(
        self, model: str, method: str, message: bytes, context: RequestContext
    ) -> bytes:
        """``ModelInfer`` or ``ModelMetadata`` of the gRPC service, by one of the models."""
        self._limit(context)
        self._require(model)
        answer: bytes = await self._ask(model, PoolRequest("grpc", method, "", message), context)
        return answer

    async def change(self, model: str, ready: bool, context: RequestContext) -> None:
        """Load or unload a model in all replicas. A load brings it into memory at once; other
        models' requests go on. Raises NotFound, and NotReady for one that cannot be loaded."""
        if not self.serves(model):
            raise model_not_found(model)
        if ready:
            await self._ask(model, PoolRequest("load"), context)
        await self._states.change(self.name, model, ready)
        if not ready:
            await self.everywhere(PoolRequest("drop"), model, context)

    async def _change(self, model: str, ready: bool, context: RequestContext) -> Reply:
        await self.change(model, ready, context)
        return json_reply({"name": model, "load" if ready else "unload": True})

    async def index(self, context: RequestContext) -> list[dict[str, Any]]:
        """Every model of the pool. One is ready that a request would get, in memory or not."""
        failures: dict[str, str] = {}
        for report in await self._reports(context):
            failures.update(report.failures)
        rows = []
        for model in self.names():
            loaded = self._states.ready(self.name, model)
            reason = failures.get(model, "") if loaded else "unloaded"
            rows.append(metadata.index_row(model, not reason, reason))
        return rows

    async def _index(self, request: WireRequest) -> Reply:
        asked = v1.parse_json(request.body) if request.body.strip() else {}
        only_ready = isinstance(asked, dict) and asked.get("ready") is True
        rows = await self.index(request.context)
        return json_reply([one for one in rows if one["state"] == "READY" or not only_ready])

    async def _reports(self, context: RequestContext) -> list[PoolReport]:
        return await self.everywhere(PoolRequest("report"), "", context)

    async def _describe(self, request: WireRequest) -> Reply:
        replicas = [
            {
                "models": list(report.models),
                "bytes": report.bytes,
                "budget": report.budget,
                **report.counts,
            }
            for report in await self._reports(request.context)
        ]
        return json_reply({"status": "alive", "models": self.names(), "replicas": replicas})

    async def _list(self, request: WireRequest) -> Reply:
        return json_reply(metadata.model_list(self.names()))

    async def _server(self, request: WireRequest) -> Reply:
        return json_reply(metadata.server_metadata(self.version))

    async def _live(self, request: WireRequest) -> Reply:
        return json_reply(metadata.server_live())

    async def _healthy(self, request: WireRequest) -> Reply:
        return json_reply(metadata.server_ready(True))

    async def _openapi(self, request: WireRequest) -> Reply:
        return json_reply(self.openapi())

    def openapi(self) -> dict[str, Any]:
        """The OpenAPI document: one for all models, whose inputs their own metadata tell."""
        return pool_document(self.name, self.names(), version=self.version)

    async def _docs(self, request: WireRequest) -> Reply:
        from umbel.serving.docs_page import docs_page

        html = {"content-type": "text/html; charset=utf-8"}
        return Reply(200, docs_page(self.openapi()).encode(), html)

    def _allowed(self, path: str) -> str:
        page = self._pages.get(path.rstrip("/"))
        posts = path.endswith((":predict", ":explain", "/infer", "/load", "/unload"))
        method = page[0] if page else ("POST" if posts else "GET")
        return "GET, HEAD" if method == "GET" else method


def _takes(request: WireRequest, method: str) -> None:
    got = "GET" if request.method == "HEAD" else request.method
    if got != method:
        raise MethodNotAllowed(f"{request.path or '/'} takes {method}, not {request.method}")


AnyEndpoint = Endpoint | PoolEndpoint
