"""Streams between the processes of Ray Serve.

Each item travels as ``(True, item)``; an error that every process can read ends the stream as
``(False, error)``. Before them comes ``(None, where)``: the process that yields and the stream's
window, by which it is told what has been taken, so that it does not run ahead of a slow reader.
A reader that stops cancels the call, which closes the code that yields.
"""

from __future__ import annotations

import logging
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from typing import Any

from umbel.graph.errors import NodeFailed, UmbelError
from umbel.nodes.item_streams import Items
from umbel.nodes.request_context import RequestContext, enter
from umbel.serving.stream_windows import TOLD_EVERY, Peer, note_taken, open_window, own_name

log = logging.getLogger("umbel")

Sent = AsyncGenerator[tuple[bool | None, Any], None]


async def sent_items(opened: Callable[[], Items], context: RequestContext, name: str) -> Sent:
    """The items of a stream in this process, for another one. A node's own exception stays in
    this process's log."""
    enter(context)
    with open_window() as window:
        yield None, (own_name(), window.id)
        sent = 0
        async with aclosing(readable_items(opened, context, name)) as items:
            async for told in items:
                yield told
                sent += 1
                await window.room(sent)


async def readable_items(opened: Callable[[], Items], context: RequestContext, name: str) -> Sent:
    """The items with errors that every process can read."""
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
    ended, taken = False, 0
    peer, stream = Peer(""), ""
    try:
        async for done, value in response:
            if done is None:
                peer, stream = Peer(value[0]), value[1]
                continue
            if not done:
                ended = True
                raise value
            yield value
            taken += 1
            if taken % TOLD_EVERY == 0:
                await peer.tell(note_taken, stream, taken)
        ended = True
    finally:
        if not ended:
            response.cancel()
