"""The endpoint of a graph that is a server of its own, such as a container: every request goes
on to it as it came, whatever its path, and so does the reply.

What umbel adds lies around it: the deadline, the log of payloads, the count of requests, the
explainer under ``:explain``.
"""

from __future__ import annotations

from umbel.nodes.messages import Message
from umbel.serving.components import COMPONENTS
from umbel.serving.endpoint import Endpoint, json_reply
from umbel.serving.forwarded_explanation import asks_why, forwarded
from umbel.serving.wire import JSON, Reply, WireRequest

_FORM = "application/x-www-form-urlencoded"
"""What curl calls a body that nobody gave a type."""


class ForwardEndpoint(Endpoint):
    """A graph whose interface is ``http``."""

    async def _decoded(self, request: WireRequest) -> WireRequest:
        return request  # the server reads what the client wrote

    async def _route(self, request: WireRequest) -> Reply:
        path = request.path.rstrip("/")
        if path == COMPONENTS and request.method in ("GET", "HEAD"):
            return json_reply({"components": sorted(self.components)})
        if self.explanation is not None and asks_why(path):
            return await self._explain(request)
        if not path and request.method == "POST":
            return await self._document(request)
        return await forwarded(self.inference.engine, self.name, self.inference_port, request)

    @property
    def inference_port(self) -> str:
        """The one input of the graph."""
        return self.graph.signature.inputs[0].name

    async def _document(self, request: WireRequest) -> Reply:
        """A graph's own call, ``POST /NAME``: to the path of the model that takes the body."""
        kind = request.headers.get("content-type", "")
        if kind in ("", _FORM):
            kind = JSON["content-type"]
        message: Message = await self.inference.run(
            {self.inference_port: Message(request.body, 200, kind)}, request.context
        )
        headers = {"content-type": message.content_type} if message.content_type else {}
        return Reply(message.status, message.body, headers)
