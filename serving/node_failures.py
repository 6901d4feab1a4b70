"""What a client sees of a node's error."""

from __future__ import annotations

import logging
from collections.abc import Callable

from umbel.graph.errors import NodeFailed, UmbelError
from umbel.nodes.loaded import UnfitInput
from umbel.nodes.request_context import RequestContext

log = logging.getLogger("umbel.engine")


def as_failure(
    error: Exception, node: str, context: RequestContext, is_clients: Callable[[str], bool]
) -> UmbelError:
    """What a client sees of a node's error. Its text stays in the log unless the client
    caused it: input that went straight to the node, or an error the node raised for clients.
    ``is_clients`` tells whether the value at a port is the client's own."""
    if isinstance(error, UnfitInput) and not is_clients(error.port):
        log.error("node %r got a value it cannot take (request %s): %s", node, context.id, error)
        return NodeFailed(node, context.id)
    if isinstance(error, UmbelError):
        return error
    log.error("node %r failed (request %s)", node, context.id, exc_info=error)
    return NodeFailed(node, context.id)
