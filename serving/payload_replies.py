"""The replies of models that take and give whole bodies, as KServe's model classes do."""

from __future__ import annotations

from typing import Any

from umbel.graph.errors import NotImplementedHere
from umbel.nodes.item_streams import is_stream, items_of
from umbel.serving.answer_stream import AnswerStream
from umbel.serving.protocols import server_sent_events
from umbel.serving.protocols.json_bodies import encode_json
from umbel.serving.stream_replies import events, streamed
from umbel.serving.wire import JSON, Reply, WireRequest


def whole(result: Any) -> Reply:
    """Text and bytes as they are, anything else as JSON."""
    if is_stream(result):
        raise NotImplementedHere("this model answers with a stream, which cannot be had here")
    if isinstance(result, bytes):
        return Reply(200, result, {"content-type": "application/octet-stream"})
    if isinstance(result, str):
        return Reply(200, result.encode(), {"content-type": "text/plain"})
    return Reply(200, encode_json(result), dict(JSON))


async def payload_reply(result: Any, request: WireRequest, name: str) -> Reply:
    """As ``whole``; a model that yields is sent as it yields: its chunks as they are, or as
    events where the client accepts those."""
    if not is_stream(result):
        return whole(result)
    context = request.context
    stream = AnswerStream(items_of(result), context, name)
    if server_sent_events.accepted(request.headers):
        return await events(stream, encode_json, context)
    kind = {"content-type": "text/plain; charset=utf-8"}
    return await streamed(stream, _chunk, None, kind, context)


def _chunk(item: Any) -> bytes:
    if isinstance(item, str):
        return item.encode()
    return item if isinstance(item, bytes) else encode_json(item) + b"\n"
