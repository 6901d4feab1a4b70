"""An HTTP answer, whole or piece by piece, never more of it in memory than is allowed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import aiohttp
import orjson

from umbel.graph.errors import RequestFailed, UmbelError
from umbel.serving.client.answered_errors import answered

_LONGEST_ERROR = 1024 * 1024

EVENTS = "text/event-stream"


@dataclass(frozen=True)
class Reply:
    """An answer below 300, or one item of it. ``headers`` have lower-case names."""

    body: bytes | bytearray
    headers: Mapping[str, str]

    @property
    def content_type(self) -> str:
        """The media type, without parameters."""
        return self.headers.get("content-type", "").partition(";")[0].strip().lower()

    def json(self, url: str) -> object:
        """The body. Raises ``RequestFailed`` if it is not JSON."""
        try:
            return orjson.loads(self.body)
        except orjson.JSONDecodeError as error:
            raise RequestFailed(f"{url}: the answer is not JSON: {error}") from error


def named(reply: aiohttp.ClientResponse) -> dict[str, str]:
    """The headers, names in lower case."""
    return {name.lower(): value for name, value in reply.headers.items()}


async def whole(reply: aiohttp.ClientResponse, limit: int) -> bytes | bytearray:
    """The body. Raises ``RequestFailed`` where it has more than ``limit`` bytes, before it has
    filled the memory (a compressed body may say that it is small)."""
    url, told = str(reply.url), reply.content_length
    if told is not None and told > limit:
        raise _too_large(url, limit)
    if told is None or "content-encoding" in reply.headers:
        body = bytearray()
        async for part in reply.content.iter_any():
            body += part
            if len(body) > limit:
                raise _too_large(url, limit)
        return body
    body, at = bytearray(told), 0  # one buffer: the parts are copied into place as they come
    async for part in reply.content.iter_any():
        body[at : at + len(part)] = part
        at += len(part)
    return body


async def beginning(reply: aiohttp.ClientResponse) -> bytes:
    """An error's text; of a long body no more than its beginning."""
    body = bytearray()
    async for part in reply.content.iter_any():
        body += part
        if len(body) > _LONGEST_ERROR:
            break
    return bytes(body)


def _too_large(url: str, limit: int) -> RequestFailed:
    return RequestFailed(
        f"{url}: the answer has more than {limit} bytes: give the client a larger message_limit"
    )


def refusal(status: int, body: bytes, headers: Mapping[str, str], url: str) -> UmbelError:
    """The error for an answer of 300 or above."""
    if status in (301, 302, 303, 307, 308) and headers.get("location"):
        place = headers["location"]
        return RequestFailed(f"{url}: {status}: it is at {place}: give the client that address")
    return answered(status, body, headers.get("content-type", ""), url)
