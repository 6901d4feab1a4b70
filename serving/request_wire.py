"""A request context on its way to another process of the same cluster."""

from __future__ import annotations

import contextlib
import pickle
import time
from collections.abc import Iterator

from umbel.graph.errors import InvalidInput
from umbel.nodes.request_context import RequestContext
from umbel.serving.deep_values import is_too_deep

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


@contextlib.contextmanager
def too_deep_is_told(node: str) -> Iterator[None]:
    """Values nested some hundred levels deep cannot be pickled. Only a body can be like that, so
    it is the client's: raises ``InvalidInput`` instead of pickle's own error."""
    try:
        yield
    except (RecursionError, pickle.PicklingError) as error:
        if not is_too_deep(error):
            raise
        raise InvalidInput(
            f"the input of {node!r} is nested too deeply for a node in a process of its own: "
            "expected a few hundred levels at most"
        ) from error
