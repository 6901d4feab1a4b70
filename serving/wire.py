"""A request and a reply as the data plane sees them, whatever carried them."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from umbel.nodes.request_context import RequestContext


@dataclass(slots=True)
class HttpRequest:
    """A whole request as it came over HTTP. ``path`` has its escapes read, ``query`` has not;
    ``headers`` have lower-case names and stand in their order."""

    method: str
    path: str
    query: str
    headers: tuple[tuple[str, str], ...]
    body: bytes = b""
    keep_alive: bool = True
    http_1_0: bool = False


@dataclass(slots=True)
class WireRequest:
    """``path`` is what follows the graph's own root and starts with ``/`` (or is empty).
    ``headers`` have lower-case names; of repeated ones the last counts here, and all stand in
    ``context.header_list``. ``query`` is what follows the question mark, escapes and all."""

    method: str
    path: str
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)
    context: RequestContext = field(default_factory=RequestContext)
    query: str = ""


class Reply(NamedTuple):
    """Status, body and headers (lower-case names). With ``stream`` the body is what it yields,
    sent as it comes; whoever sends it closes it."""

    status: int
    body: bytes
    headers: dict[str, str]
    stream: AsyncGenerator[bytes, None] | None = None


JSON = {"content-type": "application/json"}
