"""Streams between the processes of Ray Serve.

Each item travels as ``(True, item)``; an error that every process can read ends the stream as
``(False, error)``. A reader that stops cancels the call, which closes the code that yields.
"""

from __future__ import annotations

import logging
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from typing import Any

from umbel.graph.errors import NodeFailed, UmbelError
from umbel.nodes.item_streams import Items
from umbel.nodes.request_context import RequestContext, enter

log = logging.getLogger("umbel")

Sent = AsyncGenerator[tuple[bool, Any], None]


async def sent_items(opened: Callable[[], Items], context: RequestContext, name: str) -> Sent:
    """The items of a stream in this process, for another one. A node's own exception stays in
    this process's log."""
    enter(context)
    try:
        async with aclosing(opened()) as items:
            async for item in items:
                yield True, item
    except UmbelError as error:
        yield False, error
    except Exception:
        log.exception("%r failed (request %s)", name, context.id)
        yield False, NodeFailed(name, context.id)


async def remote_items(call: Any, *arguments: Any) -> Items:
    """The items of a stream in another process. ``call`` is a method of a streaming handle. The
    call is made when the first item is asked for."""
    response = call.remote(*arguments)
    ended = False
    try:
        async for done, value in response:
            if not done:
                ended = True
                raise value
            yield value
        ended = True
    finally:
        if not ended:
            response.cancel()
