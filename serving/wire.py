"""A request and a reply as the data plane sees them, whatever carried them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from umbel.nodes.request_context import RequestContext


@dataclass(slots=True)
class WireRequest:
    """``path`` is what follows the graph's own root and starts with ``/`` (or is empty).
    ``headers`` have lower-case names; of repeated ones the last counts here, and all stand in
    ``context.header_list``."""

    method: str
    path: str
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)
    context: RequestContext = field(default_factory=RequestContext)


class Reply(NamedTuple):
    """Status, body and headers (lower-case names)."""

    status: int
    body: bytes
    headers: dict[str, str]


JSON = {"content-type": "application/json"}
