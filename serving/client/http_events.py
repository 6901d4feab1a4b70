"""An answer over HTTP that comes item by item."""

from __future__ import annotations

from collections import deque
from collections.abc import AsyncGenerator, Mapping

import aiohttp
import orjson

from umbel.graph.errors import RequestFailed
from umbel.serving.client.answered_errors import answered
from umbel.serving.client.attempts import Unanswered, attempts
from umbel.serving.client.event_parts import EventParts
from umbel.serving.client.http_replies import EVENTS, Reply, named, whole
from umbel.serving.client.http_transport import Body, HttpTransport
from umbel.serving.client.stream_pace import Pace
from umbel.serving.wire import JSON


async def items(
    http: HttpTransport, path: str, pace: Pace, body: Body, headers: Mapping[str, str]
) -> AsyncGenerator[Reply, None]:
    """Each event as a reply of its own; a server that does not stream gives one. Nothing is read
    before it is asked for. Until the first item is there the request is tried again as any other;
    what goes wrong later raises. Closing it closes the connection, which tells the server."""
    url = http.base + path
    sent = {**headers, "accept": f"{EVENTS}, application/json;q=0.9, */*;q=0.8"}

    async def begun() -> tuple[_Reading, Reply | None]:
        with http.failures(url, pace.deadline):
            opening = http.begin("POST", url, pace.deadline, body, sent)
            reading = _Reading(await pace.within(opening, url), url, pace, http.limit)
            try:
                return reading, await reading.next()
            except BaseException:
                reading.close()
                raise

    reading, item = await attempts(begun, http.retry, pace.deadline, url)
    count = 0
    try:
        while item is not None:
            count += 1
            yield item
            try:
                with http.failures(url, pace.deadline):
                    item = await reading.next()
            except Unanswered as cut:
                raise RequestFailed(
                    f"{url}: the stream broke off after {count} items: {cut.error.__cause__}"
                ) from cut.error.__cause__
    finally:
        reading.close()


class _Reading:
    """One answer, read as it is asked for."""

    def __init__(self, reply: aiohttp.ClientResponse, url: str, pace: Pace, limit: int) -> None:
        self._reply, self._url, self._pace, self._limit = reply, url, pace, limit
        self._headers = named(reply)
        kind = Reply(b"", self._headers).content_type
        self._parts = EventParts(limit) if kind == EVENTS else None
        self._raw = kind in ("", "text/plain")  # KServe sends what a model yields as it is
        self._events, self._ended = deque[bytes](), False

    async def next(self) -> Reply | None:
        """The next item; None at the end. Raises what the server says in its place."""
        if self._parts is None:
            return await self._piece()
        while not self._events:
            part = await self._pace.within(self._reply.content.readany(), self._url)
            if not part:
                if self._parts.cut:
                    raise RequestFailed(f"{self._url}: the stream ended within an event")
                return None
            self._events.extend(self._parts.feed(part))
        event = self._events.popleft()
        _refuse(event, self._url)
        return Reply(event, JSON)

    async def _piece(self) -> Reply | None:
        if self._ended:
            return None
        if self._raw:
            part = await self._pace.within(self._reply.content.readany(), self._url)
            return Reply(part, self._headers) if part else None
        self._ended = True
        body = await self._pace.within(whole(self._reply, self._limit), self._url)
        return Reply(body, self._headers)

    def close(self) -> None:
        """Close the connection, unless all was read."""
        self._reply.close()


def _refuse(event: bytes, url: str) -> None:
    """Raise the error that an event tells: ``{"error": text}``, with umbel its status too."""
    if not event.startswith(b'{"error"'):
        return
    try:
        told = orjson.loads(event)
    except orjson.JSONDecodeError:
        return
    if set(told) - {"status"} != {"error"}:
        return
    status = told.get("status")
    if isinstance(status, int) and 400 <= status < 600:
        raise answered(status, event, "application/json", url)
    text = told["error"] if isinstance(told["error"], str) else event[:500].decode()
    raise RequestFailed(f"{url}: the stream ended with an error: {text}")
