"""A request context on its way to another process of the same cluster."""

from __future__ import annotations

import time

from umbel.nodes.request_context import RequestContext

Wire = tuple[str, float | None, dict[str, str], tuple[tuple[str, str], ...]]
"""Id, seconds left, headers, header list."""


def to_wire(context: RequestContext) -> Wire:
    """What of a context another process needs. Deadlines travel as seconds left, since clocks
    of two machines differ."""
    return (context.id, context.remaining(), dict(context.headers), context.header_list)


def from_wire(wire: Wire) -> RequestContext:
    """The context in the other process."""
    id_, left, headers, header_list = wire
    deadline = None if left is None else time.monotonic() + left
    return RequestContext(id_, deadline, headers, header_list)
