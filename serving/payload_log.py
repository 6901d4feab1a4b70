"""KServe's payload logger, in the replica: bodies as CloudEvents to a sink, beside the answer.

Nobody waits for the sink. What it does not take in time is dropped and counted, as mirrored
calls are.
"""

from __future__ import annotations

import datetime as dt
import json
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import aiohttp

from umbel.nodes.request_context import RequestContext
from umbel.serving.background import BackgroundCalls
from umbel.serving.wire import Reply, WireRequest

REQUEST = "org.kubeflow.serving.inference.request"
RESPONSE = "org.kubeflow.serving.inference.response"

_SOURCE = "http://localhost:8080/"
"""What KServe's agent writes as the source of every event."""

_PROBE = "kube-probe"
_EXPLAIN = ":explain"


@dataclass(frozen=True)
class Sink:
    """Where the payloads of one component go, as its ``logger`` says. ``mode`` is all, request
    or response; ``extensions`` are the attributes that name the service."""

    url: str
    mode: str
    headers: tuple[str, ...]
    extensions: Mapping[str, str]

    @staticmethod
    def of(settings: Mapping[str, Any]) -> Sink:
        """A sink from a graph's settings."""
        return Sink(
            str(settings["url"]),
            str(settings.get("mode") or "all"),
            tuple(str(name).lower() for name in settings.get("headers", ())),
            {str(key): str(value) for key, value in settings.get("extensions", {}).items()},
        )


class PayloadLog:
    """Posts what one endpoint is asked and answers."""

    def __init__(self, settings: Mapping[str, Any], background: BackgroundCalls) -> None:
        self._sinks = {name: Sink.of(one) for name, one in settings.items()}
        self._background = background
        self._session: aiohttp.ClientSession | None = None

    def note(self, request: WireRequest, reply: Reply) -> None:
        """Start posting the request, and the answer if it is a good one. Never raises."""
        explains = request.path.endswith(_EXPLAIN)
        sink = self._sinks.get("explainer" if explains else "predictor")
        headers = request.headers
        if sink is None or request.method != "POST" or not request.body:
            return
        if headers.get("user-agent", "").startswith(_PROBE):
            return
        name = headers.get("ce-id") or str(uuid.uuid4())
        if sink.mode in ("all", "request"):
            kind = headers.get("content-type", "application/json")
            self._start(sink, REQUEST, name, request.body, kind, request.context)
        if sink.mode in ("all", "response") and reply.status == 200 and reply.stream is None:
            kind = reply.headers.get("content-type", "application/json")
            self._start(sink, RESPONSE, name, reply.body, kind, request.context)

    def _start(
        self, sink: Sink, event: str, name: str, body: bytes, kind: str, context: RequestContext
    ) -> None:
        headers = _headers(sink, event, name, kind, context)
        self._background.start("payload log", lambda: self._post(sink.url, headers, body))

    async def _post(self, url: str, headers: Mapping[str, str], body: bytes) -> None:
        if self._session is None:
            self._session = aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar())
        async with self._session.post(url, data=body, headers=headers) as reply:
            await reply.read()
            reply.raise_for_status()

    async def close(self) -> None:
        """Let go of the connections to the sinks, once nothing is posted any more."""
        if self._session is not None:
            await self._session.close()


def _headers(
    sink: Sink, event: str, name: str, kind: str, context: RequestContext
) -> dict[str, str]:
    now = dt.datetime.now(dt.timezone.utc).isoformat(timespec="microseconds")
    found = {
        "Content-Type": kind,
        "ce-specversion": "1.0",
        "ce-id": name,
        "ce-type": event,
        "ce-source": _SOURCE,
        "ce-time": now.replace("+00:00", "Z"),
        **{f"ce-{key}": value for key, value in sink.extensions.items()},
    }
    if sink.headers:
        kept: dict[str, list[str]] = {}
        for key, value in context.header_list:
            if key.lower() in sink.headers:
                kept.setdefault(key.title(), []).append(value)
        found["ce-metadata"] = json.dumps(kept, separators=(",", ":"))
    return {key: value.replace("\r", " ").replace("\n", " ") for key, value in found.items()}
