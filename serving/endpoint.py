"""What one graph answers: every path below its root, free of any server.

The routes are a table. A graph of messages (a KServe InferenceGraph) takes every request that
is not one of umbel's own pages, as KServe's router does.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Awaitable, Callable
from typing import Any

import orjson

from umbel.graph.errors import (
    MethodNotAllowed,
    NotFound,
    NotImplementedHere,
    UmbelError,
    UpstreamAnswered,
)
from umbel.graph.inference import answered
from umbel.graph.steps import GraphName
from umbel.nodes.request_context import RequestContext
from umbel.serving.components import component_for
from umbel.serving.content_encoding import plain_request
from umbel.serving.engine import Engine
from umbel.serving.forwarded_explanation import ForwardedExplanation, asks_why, explanation_of
from umbel.serving.generate import Generate
from umbel.serving.inference import Inference
from umbel.serving.model_states import ModelStates
from umbel.serving.openai_paths import OpenAiPaths
from umbel.serving.payload_log import PayloadLog
from umbel.serving.protocols import metadata, v1
from umbel.serving.protocols.absent_extensions import instead_of
from umbel.serving.protocols.error_bodies import error_reply, model_not_found, model_not_ready
from umbel.serving.protocols.model_config import model_config
from umbel.serving.protocols.openapi import openapi_document, router_document
from umbel.serving.stream_inference import StreamInference
from umbel.serving.wire import JSON, Reply, WireRequest

log = logging.getLogger("umbel")

Handler = Callable[[WireRequest], Awaitable[Reply]]


def json_reply(value: object, status: int = 200) -> Reply:
    """A reply whose body is ``value`` as JSON."""
    return Reply(status, orjson.dumps(value), dict(JSON))


class Endpoint:
    """One graph's endpoint. ``states`` tell whether its model is unloaded. ``is_router``: a graph
    of messages, which answers as KServe's router does."""

    def __init__(
        self, engine: Engine, name: GraphName, version: str, states: ModelStates | None = None
    ) -> None:
        graph = engine.compiled(name).graph
        self.name, self.graph, self.version = name, graph, version
        self._states = states or ModelStates()
        self.model = graph.served_as
        timeout = graph.settings.get("timeout_s")
        self._timeout_s = timeout if isinstance(timeout, float) else None
        streams = any(port.type.stream for port in graph.signature.outputs)
        kind = StreamInference if streams else Inference
        self.inference = kind(engine, name, self.model)
        self.told = self.inference.documented
        """The inputs and outputs that documents and metadata tell of."""
        if not streams:
            self.told = answered(graph, lambda name: engine.compiled(name).graph)
        sinks = graph.settings.get("payload_logs")
        self._log = PayloadLog(sinks, engine.background) if isinstance(sinks, dict) else None
        self._generate = Generate(self.inference)
        self.openai = OpenAiPaths(engine, graph, self.model)
        self.explanation = explanation_of(engine, graph, self.model)
        self.components: dict[str, Endpoint] = {}
        """Host name → the endpoint of a part of this graph, or of all of it."""
        self.is_router = graph.interface == "message"
        self._routes = self._router_pages() if self.is_router else self._table()

    @property
    def ready(self) -> bool:
        """False while the model is unloaded."""
        return self._states.ready(self.name, self.model)

    def serves(self, model: str) -> bool:
        """Whether the model has this name."""
        return model == self.model

    async def change(self, model: str, ready: bool, context: RequestContext) -> None:
        """Load or unload the model, in all replicas of the graph."""
        await self._states.change(self.name, self.model, ready)

    async def index(self, context: RequestContext) -> list[dict[str, Any]]:
        """The one model of this endpoint, as in the repository's index."""
        return [metadata.index_row(self.model, self.ready, "" if self.ready else "unloaded")]

    async def handle(self, request: WireRequest) -> Reply:
        """The reply. Never raises but for cancellation."""
        if self._timeout_s:
            end = time.monotonic() + self._timeout_s
            known = request.context.deadline
            request.context.deadline = end if known is None else min(known, end)
        try:
            if self.components:
                part, below = component_for(self.components, request, self)
                if part is not self:
                    return await part.handle(below)
                request = below
            request = await self._decoded(request)
            reply = await self._route(request)
        except Exception as error:
            reply = self._failed(error, request)
        if self._log is not None:
            self._log.note(request, reply)
        return reply

    async def _decoded(self, request: WireRequest) -> WireRequest:
        """The request as the graph reads it: with a plain body."""
        return await plain_request(request)

    async def close(self) -> None:
        """Let go of what the endpoint holds, once nothing is answered any more."""
        if self._log is not None:
            await self._log.close()

    async def _route(self, request: WireRequest) -> Reply:
        methods = self._routes.get(request.path.rstrip("/"))
        if self.is_router:
            page = methods.get(request.method) if methods else None
            return await (page or self.inference.route)(request)
        if methods is None:
            if isinstance(self.explanation, ForwardedExplanation) and asks_why(request.path):
                return await self.explanation.v1(request)  # whatever the explainer calls it
            raise self._unknown(request.path)
        method = "GET" if request.method == "HEAD" else request.method
        handler = methods.get(method)
        if handler is None:
            raise MethodNotAllowed(
                f"{request.path or '/'} takes {' or '.join(methods)}, not {request.method}"
            )
        return await handler(request)

    def _failed(self, error: Exception, request: WireRequest) -> Reply:
        if isinstance(error, UpstreamAnswered):
            return Reply(error.code, error.body, {"content-type": error.content_type})
        known = isinstance(error, UmbelError)
        if not known:
            log.error("request %s to %r failed", request.context.id, self.name, exc_info=error)
        if self.is_router:
            status = error.status if isinstance(error, UmbelError) else 500
            cause = str(error) if known else f"internal error (request {request.context.id})"
            return json_reply({"error": "Failed to process request", "cause": cause}, status)
        status, body, headers = error_reply(error, request.context.id)
        if isinstance(error, MethodNotAllowed):
            headers["allow"] = self._allowed(request.path)
        return Reply(status, body, headers)

    def _allowed(self, path: str) -> str:
        methods = self._routes[path.rstrip("/")]
        return ", ".join(sorted({*methods, *(["HEAD"] if "GET" in methods else [])}))

    def _unknown(self, path: str) -> Exception:
        instead = instead_of(path)
        if instead is not None:
            return NotImplementedHere(instead)
        parts = path.strip("/").split("/")
        if parts[0] in ("v1", "v2") and "models" in parts[:-1]:
            model = parts[parts.index("models") + 1].split(":")[0]
            if model != self.model:
                return model_not_found(model)
            if "versions" in parts:
                return NotImplementedHere("Model versioning not supported yet.")
        known = ", ".join(sorted(path or "/" for path in self._routes))
        return NotFound(f"{path}: no such path in {self.name!r}; there are: {known}")

    def _table(self) -> dict[str, dict[str, Handler]]:
        v1, v2 = f"/v1/models/{self.model}", f"/v2/models/{self.model}"
        repository = f"/v2/repository/models/{self.model}"
        return {
            "": {"GET": self._describe, "POST": self._when_ready(self.inference.call)},
            "/v1/models": {"GET": self._list},
            v1: {"GET": self._v1_ready},
            f"{v1}:predict": {"POST": self._when_ready(self.inference.predict)},
            f"{v1}:explain": {"POST": self._when_ready(self._explain)},
            "/v2": {"GET": self._server},
            "/v2/health/live": {"GET": self._live},
            "/v2/health/ready": {"GET": self._ready},
            "/v2/models": {"GET": self._list},
            v2: {"GET": self._when_ready(self._metadata)},
            f"{v2}/ready": {"GET": self._model_ready},
            f"{v2}/config": {"GET": self._when_ready(self._config)},
            f"{v2}/infer": {"POST": self._when_ready(self.inference.infer)},
            f"{v2}/explain": {"POST": self._when_ready(self._explain)},
            f"{v2}/generate": {"POST": self._when_ready(self._generate.whole)},
            f"{v2}/generate_stream": {"POST": self._when_ready(self._generate.stream)},
            "/v2/repository/index": {"POST": self._index},
            f"{repository}/load": {"POST": self._load},
            f"{repository}/unload": {"POST": self._unload},
            **self.openai.routes(self._when_ready),
            **self._pages(),
        }

    def _router_pages(self) -> dict[str, dict[str, Handler]]:
        return {"/readyz": {"GET": self._ready, "HEAD": self._ready}, **self._pages()}

    def _pages(self) -> dict[str, dict[str, Handler]]:
        return {
            "/openapi.json": {"GET": self._openapi},
            "/docs": {"GET": self._docs},
        }

    def _when_ready(self, handler: Handler) -> Handler:
        async def guarded(request: WireRequest) -> Reply:
            if not self.ready:
                raise model_not_ready(self.model)
            return await handler(request)

        return guarded

    async def _explain(self, request: WireRequest) -> Reply:
        if self.explanation is None:
            raise NotImplementedHere(f"{self.name!r} has no explainer")
        if request.path.startswith("/v2/"):
            return await self.explanation.v2(request)
        return await self.explanation.v1(request)

    async def _describe(self, request: WireRequest) -> Reply:
        return json_reply({"status": "alive", **self._model_metadata()})

    async def _list(self, request: WireRequest) -> Reply:
        return json_reply(metadata.model_list([self.model]))

    async def _v1_ready(self, request: WireRequest) -> Reply:
        if not self.ready:
            raise model_not_ready(self.model)
        return json_reply(metadata.model_ready(self.model, True))

    async def _server(self, request: WireRequest) -> Reply:
        return json_reply(metadata.server_metadata(self.version))

    async def _live(self, request: WireRequest) -> Reply:
        return json_reply(metadata.server_live())

    async def _ready(self, request: WireRequest) -> Reply:
        return json_reply(metadata.server_ready(self.ready), 200 if self.ready else 503)

    async def _metadata(self, request: WireRequest) -> Reply:
        return json_reply(self._model_metadata())

    def _model_metadata(self) -> dict[str, Any]:
        return metadata.model_metadata(self.model, self.told)

    async def _config(self, request: WireRequest) -> Reply:
        return json_reply(model_config(self.model, self.told))

    async def _model_ready(self, request: WireRequest) -> Reply:
        return json_reply(metadata.model_ready(self.model, self.ready), 200 if self.ready else 503)

    async def _index(self, request: WireRequest) -> Reply:
        asked = v1.parse_json(request.body) if request.body.strip() else {}
        only_ready = isinstance(asked, dict) and asked.get("ready") is True
        rows = [] if only_ready and not self.ready else await self.index(request.context)
        return json_reply(rows)

    async def _load(self, request: WireRequest) -> Reply:
        await self.change(self.model, True, request.context)
        return json_reply({"name": self.model, "load": True})

    async def _unload(self, request: WireRequest) -> Reply:
        await self.change(self.model, False, request.context)
        return json_reply({"name": self.model, "unload": True})

    async def _openapi(self, request: WireRequest) -> Reply:
        return json_reply(self.openapi())

    def openapi(self) -> dict[str, Any]:
        """The OpenAPI document of this endpoint."""
        if self.is_router:
            return router_document(self.name, version=self.version, description=self.graph.doc)
        example = self.graph.example
        return openapi_document(
            self.name,
            self.told,
            model=self.model,
            version=self.version,
            description=self.graph.doc,
            v1_example=None if example is None else {"instances": example},
            explain=self.explanation is not None,
            openai=self.openai.methods,
        )

    async def _docs(self, request: WireRequest) -> Reply:
        from umbel.serving.docs_page import docs_page

        page = docs_page(self.openapi())
        return Reply(200, page.encode(), {"content-type": "text/html; charset=utf-8"})
